"""What PostgreSQL would do, instead of doing it."""

from typing import Any

from asyncpg.connection import Connection


class Planner:
    """Stands for a transaction: explains what it is asked to do."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.plan = ""

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        rows = await self.connection.fetch(f"EXPLAIN {statement}", *arguments)
        self.plan = "\n".join(row[0] for row in rows)
        return []

    execute = fetch
