"""Payments, and those of the orders that a search means."""

from dataclasses import replace
from typing import Final

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.peers import Peer
from valerix.chassis.postgres.database import Database
from valerix.contracts.ids import find_ids
from valerix.payments.domain import Payment, PaymentFilter
from valerix.payments.orders import find_orders
from valerix.payments.repository.search import PaymentSearchRepository

ORDERS_WAIT_SECONDS: Final = 2.0


class Searching:
    """Lists of payments."""

    def __init__(self, database: Database, repository: PaymentSearchRepository, orders: Peer) -> None:
        self._database = database
        self._repository = repository
        self._orders = orders

    async def search(self, asked: PaymentFilter, deadline: Deadline) -> list[Payment]:
        """Newest first; without those of orders found by the end of their id while orders does not answer."""
        if asked.search is not None and find_ids(asked.search).end is not None:
            order_ids = await find_orders(self._orders, asked.search, deadline.within(ORDERS_WAIT_SECONDS))
            asked = replace(asked, order_ids=order_ids)
        async with self._database.connection() as tx:
            return await self._repository.list_payments(tx, asked)
