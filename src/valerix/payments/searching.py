"""Searches for payments, also by the orders that match the search."""

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
    """The use case of listing payments."""

    def __init__(
        self, database: Database, repository: PaymentSearchRepository, orders: Peer
    ) -> None:
        self._database = database
        self._repository = repository
        self._orders = orders

    async def search(self, wanted: PaymentFilter, deadline: Deadline) -> list[Payment]:
        """List payments, newest first.

        While orders does not answer, orders are not found by the end of their id.
        """
        if wanted.search is not None and find_ids(wanted.search).end is not None:
            order_ids = await find_orders(
                self._orders, wanted.search, deadline.within(ORDERS_WAIT_SECONDS)
            )
            wanted = replace(wanted, order_ids=order_ids)
        async with self._database.connection() as tx:
            return await self._repository.list_payments(tx, wanted)
