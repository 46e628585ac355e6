"""Returns PostgreSQL's plans of statements instead of executing them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.connection import Connection


class Planner:
    """Replaces a transaction: it explains each statement."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.plan = ""

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        rows = await self.connection.fetch(f"EXPLAIN {statement}", *arguments)
        self.plan = "\n".join(row[0] for row in rows)
        return []

    execute = fetch


@asynccontextmanager
async def planner_of(url: str, *preparing: str, **settings: str) -> AsyncIterator[Any]:
    """Yields a planner of the database at `url` after these statements, the last of which is
    ANALYZE. `settings`: of its connection.
    """
    connection = await asyncpg.connect(url, server_settings=settings)
    try:
        for statement in preparing:
            await connection.execute(statement)
        yield Planner(connection)
    finally:
        await connection.close()
