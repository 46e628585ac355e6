"""What orders keep of other services' events: customers, and which backorders may go on. Never the truth."""

from valerix.chassis.postgres.database import Transaction
from valerix.orders.repository.read_model import ReadModelRepository


class ReadModel:
    def __init__(self, repository: ReadModelRepository) -> None:
        self._repository = repository

    async def remember_customers(self, tx: Transaction, seen: list[tuple[str, str, int]]) -> None:
        """Keep (customer, standing, sequence) where it is newer than what is known."""
        latest = {row[0]: row for row in sorted(seen, key=_sequence)}
        await self._repository.upsert_customers(tx, list(latest.values()))

    async def wake_backorders(self, tx: Transaction, product_ids: list[str]) -> None:
        """Orders waiting for these products are due now."""
        await self._repository.make_backorders_due(tx, product_ids)


def _sequence(seen: tuple[str, str, int]) -> int:
    return seen[2]
