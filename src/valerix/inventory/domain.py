"""The rules of stock: what is promised to whom. No I/O, no clock.

*on hand* lies in a warehouse, *reserved* is the part of it promised to orders, *available* the rest.

A reservation:   (none) ── reserve ──▶ reserved ── release ──▶ released
                    │                      └────── commit ──▶ committed
                    └───── release ──▶ released, without lines: the late reserve is refused

The functions work on rows their caller holds locked (`Shelf`) and change these copies as they go, so the orders of one
batch see what the orders before them took.
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

RECEIVE, ADJUST, UPDATE, RESERVE, RELEASE, COMMIT = "receive", "adjust", "update", "reserve", "release", "commit"
STEP_TO: Final = {ReservationStatus.RELEASED: RELEASE, ReservationStatus.COMMITTED: COMMIT}
"""The step that leads to each end."""

# The look-ahead keeps out what `$` lets through in Python: a line break at the end.
_SKU = re.compile(forms.SKU)


# --- what is moved, and why


class Initiator(NamedTuple):
    """Who asked, and the trace it belongs to."""

    actor: str
    trace_id: str


class Ending(NamedTuple):
    """A reservation that is to be brought to `state`: `released` or `committed`."""

    order_id: str
    state: ReservationStatus


def endings(order_ids: Iterable[str], state: ReservationStatus) -> list[Ending]:
    """What orders asks for: all of these reservations to be brought to `state`."""
    return [Ending(order_id, state) for order_id in order_ids]


class Ended(NamedTuple):
    """Where a reservation stands now; the stock rows that moved for it, and whether anything changed."""

    order_id: str
    state: ReservationStatus
    movements: int
    changed: bool
    held: bool
    """Whether anything was ever reserved."""


class Cause(NamedTuple):
    """Why stock moves; copied into every movement."""

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
        """Change by these deltas and number the change."""
        self.on_hand += on_hand
        self.reserved += reserved
        self.version += 1
        if not 0 <= self.reserved <= self.on_hand:
            raise AssertionError(f"{cause.kind} would leave {self.reserved} reserved of {self.on_hand} on hand")
        return Movement(
            self.sku, self.warehouse_id, self.version, on_hand, reserved, self.on_hand, self.reserved, *cause
        )


@dataclass(slots=True)
class Offer:
    """A product that exists, with its shelves in the order they are taken from."""

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
        """The same product, as far as this warehouse has it."""
        return Offer(self.product, self.active, [s for s in self.shelves if s.warehouse_id == warehouse_id])


class ReserveLine(NamedTuple):
    """What one order wants of one product, and who asked."""

    order_id: str
    sku: str
    quantity: int
    actor: str
    trace_id: str


class Source(NamedTuple):
    """Where all units of a product were taken from."""

    product: PricedProduct
    warehouse_id: str


@dataclass(slots=True)
class Reservation:
    order_id: str
    state: ReservationStatus
    allocations: list[Allocation]
    products: list[PricedProduct]


# --- orders, when nothing stands in the way


def claims(asked: Sequence[tuple[ReserveStock, Initiator]]) -> list[ReserveLine] | None:
    """What these orders want, in order of arrival; None when they cannot all be new and of known products."""
    wanted = [
        ReserveLine(command.order_id, sku, quantity, *origin)
        for command, origin in asked
        for sku, quantity in sum_lines(command.lines).items()
    ]
    named_twice = len({command.order_id for command, _ in asked}) < len(asked)
    return None if named_twice or not all(is_sku(claim.sku) for claim in wanted) else wanted


def reserved(asked: Iterable[tuple[ReserveStock, Initiator]], sources: Mapping[str, Source]) -> list[ReserveOutcome]:
    """The outcomes when every product was taken from its source."""
    outcomes: list[ReserveOutcome] = []
    for command, _ in asked:
        wanted = sum_lines(command.lines)
        allocations = [Allocation(sku, sources[sku].warehouse_id, quantity) for sku, quantity in wanted.items()]
        outcomes.append(StockReserved(command.order_id, allocations, [sources[sku].product for sku in wanted]))
    return outcomes


# --- pieces


def is_sku(text: str) -> bool:
    """Whether a product could have this id at all."""
    return _SKU.match(text) is not None


def moved_stock(outcome: ReserveOutcome | ReservationState) -> bool:
    """Whether the outcome is a change, and neither a refusal nor the answer to a repeated command."""
    match outcome:
        case StockReserved(idempotent=idempotent):
            return not idempotent
        case ReservationState(state=state, idempotent=idempotent):
            return not idempotent and state is not ReservationStatus.ABSENT
        case _:
            return False


def sum_lines(lines: Iterable[Line]) -> dict[str, int]:
    """Quantity per product; several lines may name the same one."""
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.product_id] = wanted.get(line.product_id, 0) + line.quantity
    return wanted


def allocate(shelves: Iterable[Shelf], quantity: int) -> Iterator[tuple[Shelf, int]]:
    """Where to take `quantity` from: shelf after shelf as they come, never more than is available there."""
    for shelf in shelves:
        taken = min(shelf.available, quantity)
        if taken > 0:
            yield shelf, taken
            quantity -= taken


# --- changes by hand


def change(offer: Offer, quantity: int, cause: Cause) -> list[Movement]:
    """Bring in (> 0, to the first shelf) or take out (< 0, shelf after shelf) units that belong to no order.

    Raises OutOfStock rather than touch what is reserved.
    """
    if quantity > 0:
        return [offer.shelves[0].move(cause, on_hand=quantity)]
    if offer.available < -quantity:
        raise OutOfStock([Shortage(offer.product.product_id, -quantity, offer.available)])
    return [shelf.move(cause, on_hand=-taken) for shelf, taken in allocate(offer.shelves, -quantity)]


# --- refusals


class OutOfStock(DomainError):
    code = "insufficient_stock"

    def __init__(self, shortages: list[Shortage]) -> None:
        short = ", ".join(f"{s.product_id} (wanted {s.requested}, available {s.available})" for s in shortages)
        super().__init__(f"Not enough of {short}", shortages=shortages)


class ProductNotFound(DomainError):
    code = "product_not_found"

    def __init__(self, sku: str) -> None:
        super().__init__(f"There is no product {sku}")


class UnknownProducts(DomainError):
    code = "unknown_product"

    def __init__(self, skus: list[str]) -> None:
        super().__init__(f"Not in the catalogue, or not sold any more: {', '.join(skus)}", productIds=skus)


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
        super().__init__(f"There is a product {sku} already")


class WarehouseExists(DomainError):
    code = "warehouse_exists"

    def __init__(self, warehouse_id: str) -> None:
        super().__init__(f"There is a warehouse {warehouse_id} already")


class NoWarehouse(DomainError):
    code = "no_warehouse"

    def __init__(self) -> None:
        super().__init__("There is no warehouse to put stock into; create one first")
