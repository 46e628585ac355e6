"""Creates one role and one database per name on a PostgreSQL server, each closed to the others."""

from collections.abc import Mapping

import asyncpg
from asyncpg.connection import Connection


async def provision(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Creates for each name a role with that password and a database that only this role may
    connect to.

    Running it again is safe.
    """
    connection = await asyncpg.connect(superuser_url)
    try:
        # The server logs a failed statement as it was sent, and these contain passwords.
        await connection.execute("SET log_min_error_statement = panic")
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE datallowconn"):
            await _define(connection, "REVOKE CONNECT ON DATABASE %I FROM PUBLIC", row["datname"])
        for name, password in passwords.items():
            await _provision_one(connection, name, password)
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    finally:
        await connection.close()


async def _provision_one(connection: Connection, name: str, password: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await _define(connection, "CREATE ROLE %I LOGIN", name)
    await _define(connection, "ALTER ROLE %I PASSWORD %L", name, password)
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await _define(connection, "CREATE DATABASE %I OWNER %I", name, name)
        await _define(connection, "REVOKE CONNECT ON DATABASE %I FROM PUBLIC", name)


async def _define(connection: Connection, statement: str, *names: str) -> None:
    """Executes a statement of data definition, which takes no parameters.

    The server itself quotes the names into the text.
    """
    await connection.execute(
        await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", statement, names)
    )
