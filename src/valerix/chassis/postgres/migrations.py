"""Migrations: numbered SQL files, each applied once in its own transaction, by one migrator at a
time.

A file begins with `-- compatible_from: NNNN`: the oldest code that may use the schema it leaves, by
the number of that code's newest migration (ADR 31). The database stores it, where older code reads
it. Without this line, only code that has the file may use the schema.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from asyncpg.connection import Connection

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.postgres.database import Database, check_code, connect

MIGRATION_SECONDS = 3600.0
"""Time-out of each migration: a large table takes minutes to rewrite."""
_LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), compatible_from integer)"""
_OF_BEFORE = """SELECT FROM pg_attribute
    WHERE attrelid = 'schema_migrations'::regclass AND attname = 'compatible_from'"""
_LOCK = 7_221_905_101  # any constant: one migrator at a time per database
COMPATIBLE_FROM: Final = re.compile(r"-- compatible_from: ([0-9]{4})\n")


class MigrationChanged(Exception):
    """An applied migration has other contents now. Write a new one instead of editing it."""


class Migration(NamedTuple):
    """One migration file. Its number, `version`, counts within its service."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def compatible_from(self) -> int:
        """The oldest code that may use this schema, by the number of that code's newest
        migration.
        """
        stated = COMPATIBLE_FROM.match(self.text)
        return int(stated[1]) if stated else self.version


def migrations_of(service: str) -> Traversable:
    """The folder with the migrations that this code has for a service."""
    return resources.files(f"valerix.{service}") / "migrations"


def code_of(service: str) -> int:
    """The version of this code for a service's database: the number of its newest migration."""
    return _read(migrations_of(service))[-1].version


def _read(folder: Traversable) -> list[Migration]:
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [Migration(int(name.split("_")[0]), name, (folder / name).read_text()) for name in names]


async def open_database(
    settings: ServiceSettings,
    resources: AsyncExitStack,
    service: str,
    size: int,
    planner: Mapping[str, str] | None = None,
) -> Database:
    """Opens the database of a service, which is closed with `resources`.

    No connection is opened on a schema that refuses this code.
    """
    opened = Database.open(settings.database_url, size, planner, code=code_of(service))
    return await resources.enter_async_context(opened)


async def check_schema(url: str, folder: Traversable) -> None:
    """Raises SchemaTooNew when code with the migrations in `folder` may not use the database."""
    connection = await connect(url)
    try:
        await check_code(connection, _read(folder)[-1].version)
    finally:
        await connection.close()


async def migrate(url: str, folder: Traversable) -> list[str]:
    """Applies `NNNN_name.sql` files in order, each in its own transaction; returns the names
    applied now.

    Raises MigrationChanged, and SchemaTooNew before anything is applied.
    """
    migrations = _read(folder)
    connection = await connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_LEDGER)
        if not await connection.fetch(_OF_BEFORE):
            await connection.execute(
                "ALTER TABLE schema_migrations ADD COLUMN compatible_from integer"
            )
        await check_code(connection, migrations[-1].version)
        applied = {
            row["version"]: row["checksum"]
            for row in await connection.fetch("TABLE schema_migrations")
        }
        return [
            migration.name
            for migration in migrations
            if await _apply(connection, migration, applied)
        ]
    finally:
        await connection.close()


async def _apply(connection: Connection, migration: Migration, applied: dict[int, str]) -> bool:
    if migration.version in applied:
        if applied[migration.version] != migration.checksum:
            raise MigrationChanged(f"{migration.name} was edited after it was applied")
        return False
    async with connection.transaction():
        await connection.execute(migration.text, timeout=MIGRATION_SECONDS)
        await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, compatible_from)"
            " VALUES ($1, $2, $3, $4)",
            migration.version,
            migration.name,
            migration.checksum,
            migration.compatible_from,
        )
    return True
