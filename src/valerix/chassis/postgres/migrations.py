"""Migrations: numbered SQL files, each applied once in its own transaction, one migrator at a time per database."""

import hashlib
from importlib.resources.abc import Traversable

from asyncpg.connection import Connection

from valerix.chassis.postgres.database import connect

MIGRATION_SECONDS = 3600.0
"""Patience with each migration: a large table takes minutes to rewrite."""
_LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now())"""
_LOCK = 7_221_905_101  # any constant: one migrator at a time per database


class MigrationChanged(Exception):
    """A migration that was applied before has other contents now. Write a new one instead of editing it."""


async def migrate(url: str, folder: Traversable) -> list[str]:
    """Apply `NNNN_name.sql` files in order, each in its own transaction; return the names applied now."""
    lane = await connect(url)
    try:
        await lane.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await lane.execute(_LEDGER)
        applied = {row["version"]: row["checksum"] for row in await lane.fetch("TABLE schema_migrations")}
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
        return [file.name for file in files if await _apply(lane, file, applied)]
    finally:
        await lane.close()


async def _apply(lane: Connection, file: Traversable, applied: dict[int, str]) -> bool:
    version, text = int(file.name.split("_")[0]), file.read_text()
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if version in applied:
        if applied[version] != checksum:
            raise MigrationChanged(f"{file.name} was edited after it was applied")
        return False
    async with lane.transaction():
        await lane.execute(text, timeout=MIGRATION_SECONDS)
        await lane.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            version,
            file.name,
            checksum,
        )
    return True
