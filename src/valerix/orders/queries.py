"""Reading orders."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import Database
from valerix.contracts.commands import MAX_FOUND
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.ids import find_ids, is_id
from valerix.orders.customers import find_customers
from valerix.orders.decisions import HistoryEntry
from valerix.orders.order import Order, OrderFilter
from valerix.orders.repository.search import OrderSearchRepository
from valerix.orders.saga import Services

USERS_WAIT_SECONDS: Final = 2.0


class Queries:
    """Reads orders. `reader`: connections for lists and searches, which may be slow."""

    def __init__(
        self,
        database: Database,
        reader: Database,
        repository: OrderSearchRepository,
        services: Services,
    ) -> None:
        self._database = database
        self._reader = reader
        self._repository = repository
        self._services = services

    async def get(self, order_id: str, owner_id: str | None) -> Order:
        """Return the order, if it exists and is the owner's (with `owner_id`).

        Raises OrderNotFound.
        """
        async with self._database.connection() as tx:
            order = await self._repository.find_order(tx, order_id, owner_id)
        if order is None:
            raise OrderNotFound
        return order

    async def find_all(self, order_ids: Sequence[str]) -> list[Order | None]:
        """Return each of these orders; None for a missing one. The ids may be any text."""
        ids = [order_id for order_id in order_ids if is_id(order_id)]
        async with self._database.connection() as tx:
            found = {order.id: order for order in await self._repository.list_by_ids(tx, ids)}
        return [found.get(order_id) for order_id in order_ids]

    async def timeline(
        self, order_id: str, owner_id: str | None, *, after: int, limit: int
    ) -> tuple[Order, list[HistoryEntry]]:
        """Return the order and up to `limit` entries of its history, oldest first.

        The entries begin after version `after`. Raises OrderNotFound.
        """
        order = await self.get(order_id, owner_id)
        async with self._database.connection() as tx:
            return order, await self._repository.list_events(tx, order.id, after=after, limit=limit)

    async def search(
        self, wanted: OrderFilter, deadline: Deadline, *, by_name: bool
    ) -> list[Order]:
        """Return a page of matching orders.

        `by_name`: also orders of customers with a matching name or address.
        """
        if by_name and wanted.search is not None:
            customers = await find_customers(
                self._services.users, wanted.search, deadline.within(USERS_WAIT_SECONDS)
            )
            wanted = replace(wanted, customers=customers)
        async with self._reader.connection() as tx:
            return await self._repository.list_orders(tx, wanted)

    async def find_ids(self, search: str) -> list[str]:
        """Return up to MAX_FOUND ids of orders that end with `search`, newest first."""
        end = find_ids(search).end
        if end is None:
            return []
        async with self._reader.connection() as tx:
            return await self._repository.list_ids_by_end(tx, end, MAX_FOUND)

    async def count_open(self) -> dict[str, int]:
        """Count orders by status (see OrderSearchRepository.count_open)."""
        async with self._reader.connection() as tx:
            return await self._repository.count_open(tx)
