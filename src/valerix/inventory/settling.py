"""Settles requests for stock one by one. No I/O, no clock.

Each order is reserved, refused, or put on the waiting list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from valerix.contracts.commands import (
    Allocation,
    ProductsUnknown,
    ReservationEnded,
    ReserveOutcome,
    ReserveStock,
    Shortage,
    StockReserved,
    StockShort,
)
from valerix.contracts.states import ReservationStatus
from valerix.inventory.domain import (
    RESERVE,
    Cause,
    Initiator,
    Movement,
    Offer,
    Reservation,
    allocate,
    sum_lines,
)
from valerix.inventory.waiting import WaitingOrder, hand_out


@dataclass(slots=True)
class Settlement:
    """The result of a batch: one outcome per command, and all that has to be written for them."""

    outcomes: list[ReserveOutcome] = field(default_factory=list)
    opened: list[Reservation] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    """Ids of the orders that leave the waiting list."""


def settle(
    requests: Iterable[tuple[ReserveStock, Initiator]],
    offers: Mapping[str, Offer],
    known: Mapping[str, Reservation],
    waiting: dict[str, WaitingOrder],
) -> Settlement:
    """Settle each order all or nothing, in order of arrival.

    `known`: the existing reservations of these orders. `waiting`: the orders on the waiting list
    that `hand_out` needs for these products, and those of the batch. Orders that join the list are
    added to it, served orders are removed.
    """
    settlement = Settlement()
    reservations = dict(known)
    for command, origin in requests:
        wanted = sum_lines(command.lines)
        if before := reservations.get(command.order_id):
            settlement.outcomes.append(_answer_again(before))
        elif unknown := [sku for sku in wanted if sku not in offers or not offers[sku].active]:
            settlement.outcomes.append(ProductsUnknown(command.order_id, unknown))
        else:
            allocations = _allocate(command, wanted, origin, offers, waiting, settlement)
            products = [offers[sku].product for sku in wanted]
            if allocations is None:
                short = _shortages(wanted, offers, waiting.get(command.order_id))
                settlement.outcomes.append(StockShort(command.order_id, short, products))
                continue
            reservation = Reservation(
                command.order_id, ReservationStatus.RESERVED, allocations, products
            )
            reservations[command.order_id] = reservation
            settlement.opened.append(reservation)
            settlement.outcomes.append(StockReserved(command.order_id, allocations, products))
    return settlement


def _answer_again(before: Reservation) -> ReserveOutcome:
    if before.state is ReservationStatus.RESERVED:
        return StockReserved(before.order_id, before.allocations, before.products, idempotent=True)
    return ReservationEnded(before.order_id, before.state)


def _allocate(
    command: ReserveStock,
    wanted: dict[str, int],
    origin: Initiator,
    offers: Mapping[str, Offer],
    waiting: dict[str, WaitingOrder],
    settlement: Settlement,
) -> list[Allocation] | None:
    """The shelves with the units of the order. None when it is short of some; it then waits if
    the command has `waits_since`.
    """
    order_id = command.order_id
    place = waiting.get(order_id)
    if place is None:
        if all(offers[sku].available >= quantity for sku, quantity in wanted.items()):
            cause = Cause(RESERVE, order_id, None, None, *origin)
            return _take(cause, wanted, offers, settlement.movements)
        if command.waits_since is None:
            return None
        place = WaitingOrder(order_id, command.waits_since, origin.trace_id, wanted, changed=True)
        waiting[order_id] = place
    affected = dict.fromkeys((*place.wanted, *wanted))
    settlement.movements += place.want(wanted, offers, origin)
    settlement.movements += hand_out(
        [offers[sku] for sku in affected if sku in offers], waiting.values(), origin
    )
    if not place.complete:
        return None
    settlement.served.append(order_id)
    del waiting[order_id]
    return sorted(place.set_aside, key=lambda allocation: list(wanted).index(allocation.product_id))


def _take(
    cause: Cause, wanted: Mapping[str, int], offers: Mapping[str, Offer], movements: list[Movement]
) -> list[Allocation]:
    allocations = []
    for sku, quantity in wanted.items():
        for shelf, taken in allocate(offers[sku].shelves, quantity):
            allocations.append(Allocation(sku, shelf.warehouse_id, taken))
            movements.append(shelf.move(cause, reserved=taken))
    return allocations


def _shortages(
    wanted: Mapping[str, int], offers: Mapping[str, Offer], place: WaitingOrder | None
) -> list[Shortage]:
    """The products the order is short of.

    `available` is what the order could have; it includes the units that are set aside for it.
    """
    left = {sku: offers[sku].available + (place.holds(sku) if place else 0) for sku in wanted}
    return [
        Shortage(sku, quantity, left[sku])
        for sku, quantity in wanted.items()
        if left[sku] < quantity
    ]
