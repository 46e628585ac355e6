"""The rules of stock: which units are promised to which order. No I/O, no clock.

*on hand* lies in a warehouse, *reserved* is the part of it promised to orders, *available* the
rest.

A reservation:   (none) ── reserve ──▶ reserved ── release ──▶ released
                    │                      └────── commit ──▶ committed
                    └───── release ──▶ released, without lines: the late reserve is refused

The functions work on rows that their caller holds locked (`Shelf`). They change these copies as
they go, so the orders of one batch see what the orders before them took.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from valerix.contracts import text as forms
from valerix.contracts.commands import (
    Allocation,
    Line,
    PricedProduct,
    ReservationState,
    ReserveOutcome,
    ReserveStock,
    Shortage,
    StockReserved,
)
from valerix.contracts.errors import DomainError
from valerix.contracts.states import ReservationStatus

RECEIVE, ADJUST, UPDATE, RESERVE, RELEASE, COMMIT = (
    "receive",
    "adjust",
    "update",
    "reserve",
    "release",
    "commit",
)
STEP_TO: Final = {ReservationStatus.RELEASED: RELEASE, ReservationStatus.COMMITTED: COMMIT}
"""The kind of movement that brings a reservation to each end state."""

# The look-ahead rejects what `$` accepts in Python: a line break at the end.
_SKU = re.compile(forms.SKU)


# --- movements and their causes


class Initiator(NamedTuple):
    """The actor that requested a change, and the trace of the request."""

    actor: str
    trace_id: str


class Ending(NamedTuple):
    """A command to bring the reservation of an order to `state`: `released` or `committed`."""

    order_id: str
    state: ReservationStatus


def endings(order_ids: Iterable[str], state: ReservationStatus) -> list[Ending]:
    """The commands that bring the reservations of all these orders to `state`."""
    return [Ending(order_id, state) for order_id in order_ids]


class Ended(NamedTuple):
    """The current state of a reservation, the number of stock rows that moved for it, and whether
    anything changed.
    """

    order_id: str
    state: ReservationStatus
    movements: int
    changed: bool
    held: bool
    """Whether any stock was ever reserved for the order."""


class Cause(NamedTuple):
    """The reason why stock moves; copied into every movement."""

    kind: str
    order_id: str | None
    idempotency_key: str | None
    reason: str | None
    actor: str
    trace_id: str

    @property
    def initiator(self) -> Initiator:
        return Initiator(self.actor, self.trace_id)


class Movement(NamedTuple):
    """One numbered change of one stock row."""

    sku: str
    warehouse_id: str
    seq: int
    on_hand_delta: int
    reserved_delta: int
    on_hand_after: int
    reserved_after: int
    kind: str
    order_id: str | None
    idempotency_key: str | None
    reason: str | None
    actor: str
    trace_id: str


@dataclass(slots=True)
class Shelf:
    """The stock of one product in one warehouse, held under its row lock."""

    sku: str
    warehouse_id: str
    on_hand: int
    reserved: int
    version: int

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def move(self, cause: Cause, *, on_hand: int = 0, reserved: int = 0) -> Movement:
        """Apply these deltas, and return the change with its number."""
        self.on_hand += on_hand
        self.reserved += reserved
        self.version += 1
        if not 0 <= self.reserved <= self.on_hand:
            raise AssertionError(
                f"{cause.kind} would leave {self.reserved} reserved of {self.on_hand} on hand"
            )
        return Movement(
            self.sku,
            self.warehouse_id,
            self.version,
            on_hand,
            reserved,
            self.on_hand,
            self.reserved,
            *cause,
        )


@dataclass(slots=True)
class Offer:
    """An existing product, with its shelves in the order in which units are taken from them."""

    product: PricedProduct
    active: bool
    shelves: list[Shelf] = field(default_factory=list)

    @property
    def available(self) -> int:
        return sum(shelf.available for shelf in self.shelves)

    @property
    def on_hand(self) -> int:
        return sum(shelf.on_hand for shelf in self.shelves)

    def at(self, warehouse_id: str) -> "Offer":
        """The same product, limited to its stock in this warehouse."""
        return Offer(
            self.product, self.active, [s for s in self.shelves if s.warehouse_id == warehouse_id]
        )


class ReserveLine(NamedTuple):
    """The units of one product that an order requests, with the actor and trace of the request."""

    order_id: str
    sku: str
    quantity: int
    actor: str
    trace_id: str


class Source(NamedTuple):
    """The warehouse from which all units of a product were taken."""

    product: PricedProduct
    warehouse_id: str


@dataclass(slots=True)
class Reservation:
    """The reservation of one order: its state, where its units are, and the prices at that time."""

    order_id: str
    state: ReservationStatus
    allocations: list[Allocation]
    products: list[PricedProduct]


# --- orders, when there is stock for all of them


def claims(requests: Sequence[tuple[ReserveStock, Initiator]]) -> list[ReserveLine] | None:
    """The lines these orders request, in order of arrival.

    None when the orders cannot all be new, or when their products cannot all be known.
    """
    wanted = [
        ReserveLine(command.order_id, sku, quantity, *origin)
        for command, origin in requests
        for sku, quantity in sum_lines(command.lines).items()
    ]
    named_twice = len({command.order_id for command, _ in requests}) < len(requests)
    return None if named_twice or not all(is_sku(claim.sku) for claim in wanted) else wanted


def reserved(
    requests: Iterable[tuple[ReserveStock, Initiator]], sources: Mapping[str, Source]
) -> list[ReserveOutcome]:
    """The outcomes when every product was taken from its source."""
    outcomes: list[ReserveOutcome] = []
    for command, _ in requests:
        wanted = sum_lines(command.lines)
        allocations = [
            Allocation(sku, sources[sku].warehouse_id, quantity) for sku, quantity in wanted.items()
        ]
        outcomes.append(
            StockReserved(command.order_id, allocations, [sources[sku].product for sku in wanted])
        )
    return outcomes


# --- pieces


def is_sku(text: str) -> bool:
    """Whether the text has the form of a product id."""
    return _SKU.match(text) is not None


def moved_stock(outcome: ReserveOutcome | ReservationState) -> bool:
    """Whether the outcome is a change, and not a refusal or the answer to a repeated command."""
    match outcome:
        case StockReserved(idempotent=idempotent):
            return not idempotent
        case ReservationState(state=state, idempotent=idempotent):
            return not idempotent and state is not ReservationStatus.ABSENT
        case _:
            return False


def sum_lines(lines: Iterable[Line]) -> dict[str, int]:
    """The quantity per product. Several lines may name the same product."""
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.product_id] = wanted.get(line.product_id, 0) + line.quantity
    return wanted


def allocate(shelves: Iterable[Shelf], quantity: int) -> Iterator[tuple[Shelf, int]]:
    """Yield the shelves to take `quantity` from, in the given order, with the units from each.

    Never takes more from a shelf than is available there.
    """
    for shelf in shelves:
        taken = min(shelf.available, quantity)
        if taken > 0:
            yield shelf, taken
            quantity -= taken


# --- changes by hand


def change(offer: Offer, quantity: int, cause: Cause) -> list[Movement]:
    """Bring in (> 0, to the first shelf) or take out (< 0, shelf after shelf) units that belong to
    no order.

    Raises OutOfStock rather than take reserved units.
    """
    if quantity > 0:
        return [offer.shelves[0].move(cause, on_hand=quantity)]
    if offer.available < -quantity:
        raise OutOfStock([Shortage(offer.product.product_id, -quantity, offer.available)])
    return [
        shelf.move(cause, on_hand=-taken) for shelf, taken in allocate(offer.shelves, -quantity)
    ]


# --- refusals


class OutOfStock(DomainError):
    code = "insufficient_stock"

    def __init__(self, shortages: list[Shortage]) -> None:
        short = ", ".join(
            f"{s.product_id} (wanted {s.requested}, available {s.available})" for s in shortages
        )
        super().__init__(f"Not enough of {short}", shortages=shortages)


class ProductNotFound(DomainError):
    code = "product_not_found"

    def __init__(self, sku: str) -> None:
        super().__init__(f"There is no product {sku}")


class UnknownProducts(DomainError):
    code = "unknown_product"

    def __init__(self, skus: list[str]) -> None:
        super().__init__(
            f"Not in the catalogue, or no longer sold: {', '.join(skus)}", productIds=skus
        )


class WarehouseNotFound(DomainError):
    code = "warehouse_not_found"

    def __init__(self, warehouse_id: str) -> None:
        super().__init__(f"There is no warehouse {warehouse_id}")


class UnknownWarehouse(DomainError):
    code = "unknown_warehouse"

    def __init__(self, warehouse_id: str) -> None:
        super().__init__(f"There is no warehouse {warehouse_id}")


class ReservationOver(DomainError):
    code = "reservation_ended"

    def __init__(self, order_id: str, state: ReservationStatus) -> None:
        super().__init__(f"The reservation of order {order_id} is {state}", state=state)


class ReservationNotFound(DomainError):
    code = "reservation_not_found"

    def __init__(self, order_id: str) -> None:
        super().__init__(f"Nothing is reserved for order {order_id}")


class ProductExists(DomainError):
    code = "product_exists"

    def __init__(self, sku: str) -> None:
        super().__init__(f"Product {sku} already exists")


class WarehouseExists(DomainError):
    code = "warehouse_exists"

    def __init__(self, warehouse_id: str) -> None:
        super().__init__(f"Warehouse {warehouse_id} already exists")


class NoWarehouse(DomainError):
    code = "no_warehouse"

    def __init__(self) -> None:
        super().__init__("There is no warehouse to put stock into; create one first")
