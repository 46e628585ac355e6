"""The local copy of data from other services' events; never the source of truth.

It holds customers, and makes backorders due that may continue.
"""

from operator import attrgetter

from valerix.chassis.postgres.database import Transaction
from valerix.orders.order import CustomerSeen
from valerix.orders.repository.read_model import ReadModelRepository


class ReadModel:
    """Applies events of users and inventory."""

    def __init__(self, repository: ReadModelRepository) -> None:
        self._repository = repository

    async def remember_customers(self, tx: Transaction, seen: list[CustomerSeen]) -> None:
        """Store the customers that are newer than the stored ones."""
        latest = {
            customer.customer_id: customer for customer in sorted(seen, key=attrgetter("sequence"))
        }
        await self._repository.upsert_customers(tx, list(latest.values()))

    async def wake(self, tx: Transaction, order_ids: list[str]) -> None:
        """Make these orders due now: their stock is set aside, or was reserved by hand."""
        await self._repository.make_ready_due(tx, order_ids)
