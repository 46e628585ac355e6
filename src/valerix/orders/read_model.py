"""What orders keep of other services' events: customers, and which backorders may go on. Never the truth."""

from operator import attrgetter

from valerix.chassis.postgres.database import Transaction
from valerix.orders.order import CustomerSeen
from valerix.orders.repository.read_model import ReadModelRepository


class ReadModel:
    def __init__(self, repository: ReadModelRepository) -> None:
        self._repository = repository

    async def remember_customers(self, tx: Transaction, seen: list[CustomerSeen]) -> None:
        """Keep those that are newer than what is known."""
        latest = {customer.customer_id: customer for customer in sorted(seen, key=attrgetter("sequence"))}
        await self._repository.upsert_customers(tx, list(latest.values()))

    async def wake(self, tx: Transaction, order_ids: list[str]) -> None:
        """These are due now: their stock is set aside, or was reserved by hand."""
        await self._repository.make_ready_due(tx, order_ids)
