"""The waiting list in the database: its changes within the transactions that move stock."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from valerix.chassis.postgres.database import Transaction
from valerix.inventory.domain import Initiator, Movement, Offer
from valerix.inventory.repository.stock import StockRepository
from valerix.inventory.repository.waiting import WaitingRepository
from valerix.inventory.waiting import WaitingOrder, hand_out, pass_on

MAX_COMPLETED: Final = 100
"""Maximum number of orders completed in one transaction with units another held for too long."""


class Overtaken(Exception):
    """Another transaction came first. Retry with the stock of these products locked as well."""

    def __init__(self, skus: Collection[str] = ()) -> None:
        super().__init__("The transaction has not locked the stock that it needs")
        self.skus = frozenset(skus)


class WaitingList:
    """Reads and changes the waiting list. Callers lock the stock, and write the movements."""

    def __init__(self, stock: StockRepository, waiting: WaitingRepository) -> None:
        self._stock = stock
        self._waiting = waiting

    async def lock(
        self,
        tx: Transaction,
        wanted: Mapping[str, int],
        offers: Mapping[str, Offer],
        order_ids: Sequence[str] = (),
        besides: Sequence[str] = (),
    ) -> dict[str, WaitingOrder]:
        """Lock the waiting orders among `order_ids`, and the orders that `hand_out` needs.

        `wanted`: of each product the units that these orders may take from younger ones. `offers`:
        the locked stock. `besides`: orders that may also wait for other products.

        Raises Overtaken when orders of `order_ids` also wait for other products. Raises it also
        when a product got a place in the stock, or another order got what it lacked, while this
        transaction waited for a lock.
        """
        locked = {sku: offers[sku] for sku in wanted if sku in offers}
        available = {sku: offer.available for sku, offer in locked.items()}
        waiting = await self._waiting.lock(tx, available, wanted, [*order_ids, *besides])
        if waiting:
            await self._waiting.read_lines(tx, waiting)
        lines = {
            sku for order_id in order_ids if order_id in waiting for sku in waiting[order_id].wanted
        }
        places = await self._waiting.count_places(tx, list(locked)) if locked else {}
        rivals = [waiting[order_id] for order_id in waiting.keys() - {*order_ids, *besides}]
        if (
            not lines <= wanted.keys()
            or places != {sku: len(offer.shelves) for sku, offer in locked.items()}
            or any(rival.complete for rival in rivals)  # there may be other orders to take from
        ):
            raise Overtaken(lines)
        return waiting

    async def save(
        self, tx: Transaction, waiting: Iterable[WaitingOrder], served: Sequence[str] = ()
    ) -> None:
        """Write the changed orders among `waiting`, and take `served` off the list."""
        await self._waiting.save(tx, [order for order in waiting if order.changed])
        if served:
            await self._waiting.delete(tx, served)

    async def serve(
        self, tx: Transaction, offers: Mapping[str, Offer], origin: Initiator
    ) -> list[Movement]:
        """Set the available units of these products aside for the orders that wait for them.

        Raises Overtaken.
        """
        waiting = await self.lock(tx, dict.fromkeys(offers, 0), offers)
        movements = hand_out(offers.values(), waiting.values(), origin)
        await self.save(tx, waiting.values())
        return movements

    async def list_held(self, tx: Transaction, order_ids: Sequence[str]) -> list[str]:
        """List the products to lock in stock before the reservations of these orders may end."""
        return await self._waiting.list_held_products(tx, order_ids)

    async def withdraw(
        self, tx: Transaction, order_ids: Sequence[str], skus: Sequence[str], origin: Initiator
    ) -> list[Movement]:
        """Take these orders off the list; hand out the units of these products that they held.

        Units of their reservations count as well.

        Raises Overtaken.
        """
        offers = await self._stock.lock_offers(tx, list(skus))
        waiting = await self.lock(tx, dict.fromkeys(skus, 0), offers, order_ids)
        leaving = [
            waiting.pop(order_id) for order_id in dict.fromkeys(order_ids) if order_id in waiting
        ]
        movements = [movement for order in leaving for movement in order.want({}, offers, origin)]
        movements += hand_out(offers.values(), waiting.values(), origin)
        await self.save(tx, waiting.values(), [order.order_id for order in leaving])
        return movements

    async def pass_on(self, tx: Transaction, order_id: str, origin: Initiator) -> list[Movement]:
        """Complete younger orders with units set aside for this one; the rest goes by age again.

        Raises Overtaken.
        """
        wanted = await self._waiting.find_wanted(tx, order_id)
        offers = await self._stock.lock_offers(tx, list(wanted))
        completable = await self._waiting.list_completable(tx, list(wanted), MAX_COMPLETED)
        waiting = await self.lock(tx, wanted, offers, [order_id], completable)
        holder = waiting.get(order_id)
        if holder is None or holder.complete:
            return []
        movements = pass_on(
            holder, [waiting[one] for one in completable if one in waiting], offers, origin
        )
        if movements:
            movements += hand_out(offers.values(), waiting.values(), origin)
            await self.save(tx, waiting.values())
        return movements

    async def list_holding_for(
        self, tx: Transaction, longer_than: timedelta, after: str, limit: int
    ) -> list[str]:
        """Incomplete orders that have held units for longer than this, with ids after `after`."""
        return await self._waiting.list_holding_for(tx, longer_than, after, limit)

    async def list_unserved(self, tx: Transaction, limit: int) -> list[str]:
        """Available products for which orders wait: none, unless an earlier version left some."""
        return await self._waiting.list_unserved(tx, limit)
