"""The waiting list: backorders that are short of stock, served in one order for all products. No
I/O, no clock.

Units that arrive are set aside for the oldest waiting order that lacks them, in the transaction
that brings them. From then on they are *reserved* on their shelves. A product that a waiting order
lacks has no available units, so a later order cannot overtake. When everything is set aside for an
order, `inventory.reservation_ready` is emitted, and the next reserve of that order turns the units
into a reservation.

The age of an order counts from its acceptance, however late the order joins the list. All products
use the same order of age, so no two orders wait for each other's units: the older one gets them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from valerix.contracts.commands import Allocation
from valerix.inventory.domain import Cause, Initiator, Movement, Offer, allocate

SET_ASIDE: Final = "set_aside"
GIVE_UP: Final = "give_up"
"""Kinds of movements: units are set aside for an order, or the order gives them up."""


@dataclass(slots=True)
class WaitingOrder:
    """An order on the waiting list. `set_aside`: per product, at most the wanted quantity."""

    order_id: str
    since: datetime
    """When the order was accepted; decides its place."""
    trace_id: str
    wanted: dict[str, int]
    set_aside: list[Allocation] = field(default_factory=list)
    version: int = 0
    """0: not stored yet."""
    changed: bool = False

    @property
    def place(self) -> tuple[datetime, str]:
        return self.since, self.order_id

    @property
    def complete(self) -> bool:
        return not any(self.lacks(sku) for sku in self.wanted)

    def holds(self, sku: str) -> int:
        return sum(
            allocation.quantity for allocation in self.set_aside if allocation.product_id == sku
        )

    def lacks(self, sku: str) -> int:
        return max(0, self.wanted.get(sku, 0) - self.holds(sku))

    def want(
        self, wanted: dict[str, int], offers: Mapping[str, Offer], origin: Initiator
    ) -> list[Movement]:
        """Replace the wanted units, and give up those no longer wanted. The place stays."""
        if wanted != self.wanted:
            self.wanted, self.changed = wanted, True
        held = dict.fromkeys(allocation.product_id for allocation in self.set_aside)
        return [
            movement
            for sku in held
            for movement in self.give_up(offers[sku], self.holds(sku) - wanted.get(sku, 0), origin)
        ]

    def take(self, offer: Offer, quantity: int, origin: Initiator) -> list[Movement]:
        """Set aside up to `quantity` available units for this order."""
        cause = Cause(SET_ASIDE, self.order_id, None, None, *origin)
        movements = []
        for shelf, taken in allocate(offer.shelves, quantity):
            movements.append(shelf.move(cause, reserved=taken))
            self._add(shelf.sku, shelf.warehouse_id, taken)
        return movements

    def give_up(self, offer: Offer, quantity: int, origin: Initiator) -> list[Movement]:
        """Make `quantity` of its units available again, the last set aside first."""
        cause = Cause(GIVE_UP, self.order_id, None, None, *origin)
        shelves = {shelf.warehouse_id: shelf for shelf in offer.shelves}
        movements = []
        for allocation in [
            a for a in reversed(self.set_aside) if a.product_id == offer.product.product_id
        ]:
            given = min(allocation.quantity, quantity)
            if given > 0:
                movements.append(shelves[allocation.warehouse_id].move(cause, reserved=-given))
                self._add(allocation.product_id, allocation.warehouse_id, -given)
                quantity -= given
        return movements

    def _add(self, sku: str, warehouse_id: str, quantity: int) -> None:
        held = {(a.product_id, a.warehouse_id): a.quantity for a in self.set_aside}
        held[sku, warehouse_id] = held.get((sku, warehouse_id), 0) + quantity
        self.set_aside = [Allocation(*where, units) for where, units in held.items() if units]
        self.changed = True


def hand_out(
    offers: Iterable[Offer], waiting: Iterable[WaitingOrder], origin: Initiator
) -> list[Movement]:
    """Give the available units of these products, and those set aside for incomplete orders, to the
    oldest orders that want them.

    A complete order keeps its units. Nothing is set aside of a product that is no longer sold.

    `waiting`: of each product the youngest incomplete orders that hold some, as many as an older
    order may take units from; and the oldest orders that lack it, as many as there are units to
    hand out. The orders between them keep their units, because orders that hold some are older than
    orders that lack it.
    """
    movements: list[Movement] = []
    line = sorted((order for order in waiting if not order.complete), key=lambda order: order.place)
    for offer in offers:
        sku = offer.product.product_id
        queue = [order for order in line if sku in order.wanted]
        if not queue or not offer.active:
            continue
        left = offer.available + sum(order.holds(sku) for order in queue)
        surplus, lacking = [], []
        for order in queue:
            due = min(order.wanted[sku], left)
            left -= due
            surplus.append((order, order.holds(sku) - due))
            lacking.append((order, due - order.holds(sku)))
        movements += [
            move for order, units in surplus for move in order.give_up(offer, units, origin)
        ]
        movements += [move for order, units in lacking for move in order.take(offer, units, origin)]
    return movements


def pass_on(
    holder: WaitingOrder,
    waiting: Iterable[WaitingOrder],
    offers: Mapping[str, Offer],
    origin: Initiator,
) -> list[Movement]:
    """Complete other orders, the oldest first, with units set aside for `holder` for too long.

    The holder keeps its place.
    """
    movements: list[Movement] = []
    for order in sorted(waiting, key=lambda order: order.place):
        lacking = {sku: order.lacks(sku) for sku in order.wanted if order.lacks(sku)}
        possible = all(
            offers[sku].active and holder.holds(sku) >= units for sku, units in lacking.items()
        )
        if order is holder or not lacking or not possible:
            continue
        for sku, units in lacking.items():
            movements += holder.give_up(offers[sku], units, origin)
            movements += order.take(offers[sku], units, origin)
    return movements
