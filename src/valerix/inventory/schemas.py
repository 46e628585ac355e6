"""Request and response bodies of the inventory API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from valerix.chassis.base.problems import Problems, ProblemType
from valerix.contracts import text
from valerix.contracts.acts import By, RecordedAct, by
from valerix.contracts.commands import MAX_LINES, Allocation, PricedProduct, Quantity
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.events import BY_SOURCE, INVENTORY, INVENTORY_RESERVATION_READY
from valerix.contracts.money import Money
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, permitted

MAX_CHANGE = 1_000_000
Id = Annotated[str, msgspec.Meta(pattern=text.SKU, examples=["PROD-001"])]
Change = Annotated[
    int,
    msgspec.Meta(
        ge=-MAX_CHANGE, le=MAX_CHANGE, description="Units to add (> 0) or remove (< 0); not zero."
    ),
]
IdempotencyKey = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Description = Annotated[str, msgspec.Meta(max_length=2000), text.LINES]
Threshold = Annotated[int, msgspec.Meta(ge=0, le=MAX_CHANGE)]


# --- in


class Item(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Units of one product."""

    product_id: Id
    quantity: Quantity


class ReserveBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The items of a pending order; they must be the lines of the order."""

    order_id: Id
    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class OrderBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The order with the reserved stock."""

    order_id: Id


class AdjustBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Correct the stock of one product in one warehouse by `delta` units."""

    product_id: Id
    warehouse_id: Id
    delta: Change
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    idempotency_key: IdempotencyKey | None = None


class UpdateBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Take out (negative) or bring in (positive) units of a product, in any warehouse."""

    product_id: Id
    quantity: Change
    idempotency_key: IdempotencyKey
    order_id: Id | None = None


class InitialStock(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Units of a new product in one warehouse."""

    warehouse_id: Id
    quantity: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHANGE)]


class ProductBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """All properties of a product, except its id and its stock."""

    name: Name
    price: Money
    description: Description = ""
    active: bool = True
    low_stock_threshold: Threshold = 0


class NewProduct(
    ProductBody, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True
):
    """A new product with its id and its initial stock."""

    product_id: Id
    initial_stock: Annotated[list[InitialStock], msgspec.Meta(max_length=100)] = []


class NewWarehouse(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Stock is taken from the warehouse with the lowest `priority` first."""

    warehouse_id: Id
    name: Name
    priority: Annotated[int, msgspec.Meta(ge=0, le=10_000)]


# --- out


class WarehouseStock(msgspec.Struct, frozen=True, rename="camel"):
    """The stock of one product in one warehouse; `available` is `onHand` minus `reserved`."""

    warehouse_id: str
    on_hand: int
    reserved: int
    available: int


class InventoryItem(msgspec.Struct, frozen=True, rename="camel"):
    """The stock of one product, in total and per warehouse.

    `lowStock`: the available units are at or under the threshold.
    """

    product_id: str
    name: str
    active: bool
    on_hand: int
    reserved: int
    available: int
    low_stock_threshold: int
    low_stock: bool
    warehouses: list[WarehouseStock]


class LedgerEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One movement of stock."""

    product_id: str
    warehouse_id: str
    seq: int
    """Counts without gaps per product and warehouse."""
    kind: str
    on_hand_delta: int
    reserved_delta: int
    on_hand_after: int
    reserved_after: int
    order_id: str | None
    reason: str | None
    actor: str
    trace_id: str
    occurred_at: datetime


class MovementView(LedgerEntry, frozen=True, rename="camel"):
    """One movement of stock. `by`: the staff member behind it; null for a step of an order."""

    by: By | None = None


class StockEvent(msgspec.Struct, frozen=True, rename="camel"):
    """Data of the ledger's events: one product in one warehouse after a movement.

    See migrations/0007_waiting_list.sql.
    """

    product_id: str
    warehouse_id: str
    kind: str
    """Kind of the movement, as in the ledger."""
    on_hand: int
    reserved: int
    available_in_all: int | None
    """Units available over all warehouses; only with `inventory.low_stock`."""
    order_id: str | None
    delivery: int | None = None
    """A number that changes with each delivery of the product; only with `inventory.low_stock`."""


class ReadyEvent(msgspec.Struct, frozen=True, rename="camel"):
    """Data of `inventory.reservation_ready`: all units of the order are set aside, or were already
    reserved by hand.
    """

    order_id: str


EVENT_DATA: Final[dict[str, type]] = dict.fromkeys(BY_SOURCE[INVENTORY], StockEvent) | {
    INVENTORY_RESERVATION_READY: ReadyEvent
}


@dataclass(frozen=True)
class InventoryFilter:
    """The stock to list: that of up to `limit` products with ids after `after`.

    `q` is searched for in id and name.
    """

    q: str | None
    warehouse_id: str | None
    low_stock: bool
    after: str
    limit: int


@dataclass(frozen=True)
class ProductFilter:
    """The products to list: see InventoryFilter."""

    q: str | None
    active: bool | None
    after: str
    limit: int


class Position(NamedTuple):
    """The last movement of a page."""

    occurred_at: Annotated[datetime, msgspec.Meta(tz=True)]
    warehouse_id: str
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class ReservationView(msgspec.Struct, frozen=True, rename="camel"):
    """The units reserved for an order, with name and price of each product.

    `idempotent`: the answer of an earlier request is repeated.
    """

    order_id: str
    state: ReservationStatus
    allocations: list[Allocation]
    products: list[PricedProduct]
    idempotent: bool


class Adjusted(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Stock of the product in that warehouse after the change.

    `idempotent`: the answer of an earlier request is repeated.
    """

    product_id: str
    warehouse_id: str
    on_hand: int
    reserved: int
    available: int
    seq: int
    idempotent: bool = False


class StockUpdated(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Units on hand over all warehouses, before and after."""

    success: bool
    previous_stock: int
    new_stock: int
    idempotent: bool = False
    message: str | None = None


class Product(msgspec.Struct, frozen=True, rename="camel"):
    """A product of the catalogue."""

    product_id: str
    name: str
    description: str
    price: Money
    active: bool
    low_stock_threshold: int
    version: int
    created_at: datetime
    updated_at: datetime


class Warehouse(msgspec.Struct, frozen=True, rename="camel"):
    """A warehouse. Stock is taken from the warehouse with the lowest `priority` first."""

    warehouse_id: str
    name: str
    priority: int
    created_at: datetime


def movement_view(entry: LedgerEntry, acts: Sequence[RecordedAct]) -> MovementView:
    """The movement as staff see it, with its act among `acts`, if there is one."""
    act = next((a for a in acts if (a.trace_id, a.actor) == (entry.trace_id, entry.actor)), None)
    return MovementView(
        **msgspec.structs.asdict(entry), by=None if act is None else by(act, to_staff=True)
    )


def differences(before: Product, after: Product) -> dict[str, list[Any]]:
    """Old and new value of each changed field."""
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(after)
    return {
        name: [old[name], new[name]]
        for name in old.keys() - {"version", "updatedAt"}
        if old[name] != new[name]
    }


PROBLEMS: Final[Problems] = {
    OrderNotFound: ProblemType(404, "No such order"),
    permitted.OrderNotReservable: ProblemType(409, "Stock cannot be reserved for the order"),
    permitted.OrderNotReleasable: ProblemType(409, "The order has not ended"),
    permitted.OrderNotCommittable: ProblemType(409, "The order is not in the warehouse"),
    permitted.OtherLines: ProblemType(422, "The order has other lines"),
    domain.OutOfStock: ProblemType(409, "Insufficient stock"),
    domain.ProductNotFound: ProblemType(404, "No such product"),
    domain.UnknownProducts: ProblemType(422, "Unknown product"),
    domain.WarehouseNotFound: ProblemType(404, "No such warehouse"),
    domain.UnknownWarehouse: ProblemType(422, "Unknown warehouse"),
    domain.ReservationOver: ProblemType(409, "The reservation has ended"),
    domain.ReservationNotFound: ProblemType(404, "No such reservation"),
    domain.ProductExists: ProblemType(409, "The product exists already"),
    domain.WarehouseExists: ProblemType(409, "The warehouse exists already"),
    domain.NoWarehouse: ProblemType(409, "There is no warehouse"),
}
"""The HTTP problem of each error of the domain."""
