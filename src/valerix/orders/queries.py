"""Reading orders."""

from collections.abc import Sequence

from valerix.chassis.postgres.database import Database
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.ids import is_id
from valerix.orders.decisions import HistoryEntry
from valerix.orders.order import Order, OrderFilter
from valerix.orders.repository.search import OrderSearchRepository


class Queries:
    """`reader`: connections for lists and searches, which may take their time."""

    def __init__(self, database: Database, reader: Database, repository: OrderSearchRepository) -> None:
        self._database = database
        self._reader = reader
        self._repository = repository

    async def get(self, order_id: str, owner_id: str | None) -> Order:
        """The order, if it is there and (with `owner_id`) the owner's. Raises OrderNotFound."""
        async with self._database.connection() as tx:
            order = await self._repository.find_order(tx, order_id, owner_id)
        if order is None:
            raise OrderNotFound
        return order

    async def find_all(self, order_ids: Sequence[str]) -> list[Order | None]:
        """Each of these orders; None where there is none. The ids may be any text."""
        ids = [order_id for order_id in order_ids if is_id(order_id)]
        async with self._database.connection() as tx:
            found = {order.id: order for order in await self._repository.list_by_ids(tx, ids)}
        return [found.get(order_id) for order_id in order_ids]

    async def timeline(
        self, order_id: str, owner_id: str | None, *, after: int, limit: int
    ) -> tuple[Order, list[HistoryEntry]]:
        """The order and up to `limit` entries of its history, oldest first, from beyond version `after`.

        Raises OrderNotFound.
        """
        order = await self.get(order_id, owner_id)
        async with self._database.connection() as tx:
            return order, await self._repository.list_events(tx, order.id, after=after, limit=limit)

    async def search(self, wanted: OrderFilter) -> list[Order]:
        """A page of the orders that match."""
        async with self._reader.connection() as tx:
            return await self._repository.list_orders(tx, wanted)

    async def count_open(self) -> dict[str, int]:
        """Orders by status (see OrderSearchRepository.count_open)."""
        async with self._reader.connection() as tx:
            return await self._repository.count_open(tx)
