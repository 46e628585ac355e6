"""The list-shaped internal calls between services.

Every command is idempotent under its order id: sending it twice has one effect and the second answer equals the
first. A reply holds exactly one outcome per command, in the order of the commands.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from valerix.contracts.errors import OrderNotFound
from valerix.contracts.money import AmountMinor, Currency, Money
from valerix.contracts.states import OrderStatus, PaymentStatus, ReservationStatus

MAX_COMMANDS: Final = 256
"""Most commands one internal call may carry."""
MAX_FOUND: Final = 20
"""Customers or orders that an answer to a search of another service has at most."""
MAX_QUANTITY: Final = 100
MAX_LINES: Final = 100

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
SearchText = Annotated[str, msgspec.Meta(max_length=100)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY)]

DESCRIBE_ORDERS: Final = "/internal/v1/orders/describe"
FIND_ORDERS: Final = "/internal/v1/orders/find"
NOTE_REFUNDS: Final = "/internal/v1/orders/refunds"
CHECK_CUSTOMERS: Final = "/internal/v1/customers/check"
FIND_CUSTOMERS: Final = "/internal/v1/customers/find"
RESERVE_STOCK: Final = "/internal/v1/stock/reserve"
RELEASE_STOCK: Final = "/internal/v1/stock/release"
COMMIT_STOCK: Final = "/internal/v1/stock/commit"
PRICE_PRODUCTS: Final = "/internal/v1/products/price"
FIND_PRODUCTS: Final = "/internal/v1/products/find"
CAPTURE_PAYMENTS: Final = "/internal/v1/payments/capture"
VOID_PAYMENTS: Final = "/internal/v1/payments/void"


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """What is wanted of one product."""

    product_id: Key
    quantity: Quantity


class OrderRefs(msgspec.Struct, frozen=True, rename="camel"):
    """Orders that are to be described, or whose reservations are to be released or committed."""

    order_ids: Annotated[list[str], msgspec.Meta(max_length=MAX_COMMANDS)]


# --- orders


class OrderDescription(msgspec.Struct, frozen=True, rename="camel", tag="described", tag_field="outcome"):
    """An order as its row stands: what it wants, what it owes, and whether it may still be paid or delivered."""

    order_id: str
    customer_id: str
    status: OrderStatus
    lines: list[Line]
    payment_method: str
    total: Money | None
    """None until stock was reserved once, for the quote of before may become less; it never changes after that."""
    cancelling: bool
    """A request to cancel is noted: the order ends as soon as the services it needs answer."""


class OrderUnknown(msgspec.Struct, frozen=True, rename="camel", tag="unknown", tag_field="outcome"):
    """There is no order with this id, which may be any text."""

    order_id: str


OrderOutcome = OrderDescription | OrderUnknown


class OrderOutcomes(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[OrderOutcome]

    def only(self) -> OrderDescription:
        """That of the one order that was asked for. Raises OrderNotFound."""
        (outcome,) = self.outcomes
        if not isinstance(outcome, OrderDescription):
            raise OrderNotFound
        return outcome


class FindOrders(msgspec.Struct, frozen=True, rename="camel"):
    """Orders whose ids end as `search` says (contracts.ids.find_ids)."""

    search: SearchText


class OrdersFound(msgspec.Struct, frozen=True, rename="camel"):
    """Up to MAX_FOUND, the newest."""

    order_ids: list[str]


class RefundGiven(msgspec.Struct, frozen=True, rename="camel"):
    """Money that staff gave back of what an order had paid. Noted once under its id, however often it is sent."""

    refund_id: str
    order_id: str
    amount: Money
    reason: str


class NoteRefunds(msgspec.Struct, frozen=True, rename="camel"):
    commands: Annotated[list[RefundGiven], msgspec.Meta(max_length=MAX_COMMANDS)]


class RefundNoted(msgspec.Struct, frozen=True, rename="camel"):
    """`settled`: it stands in the order's history, or never will, for the order ended without success.

    Otherwise that is not decided yet: send it again later.
    """

    refund_id: str
    settled: bool


class RefundsNoted(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[RefundNoted]


# --- users


class CheckCustomers(msgspec.Struct, frozen=True, rename="camel"):
    customer_ids: Annotated[list[Key], msgspec.Meta(max_length=MAX_COMMANDS)]


class CustomerStanding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whether a customer may order; `reason` is `unknown` or `suspended` when not."""

    customer_id: str
    valid: bool
    reason: str | None = None


class CustomersChecked(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[CustomerStanding]


class FindCustomers(msgspec.Struct, frozen=True, rename="camel"):
    """Customers with a name or an e-mail address that has words which begin as those of `search` do."""

    search: SearchText


class CustomersFound(msgspec.Struct, frozen=True, rename="camel"):
    """Numbers of up to MAX_FOUND customers: those with this very name or address first, then the newest."""

    customer_ids: list[str]


# --- inventory


class ReserveStock(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Reserve all lines of one order, or nothing. Lines naming one product twice are summed."""

    order_id: str
    lines: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    waits_since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """Of a backorder, when it was accepted: short of stock, it waits in this place until `inventory.reservation_ready`.
    None: when stock is short, the order is only refused."""


class ReserveStocks(msgspec.Struct, frozen=True, rename="camel"):
    commands: Annotated[list[ReserveStock], msgspec.Meta(max_length=MAX_COMMANDS)]


class Allocation(msgspec.Struct, frozen=True, rename="camel"):
    """Units of one product promised from one warehouse."""

    product_id: str
    warehouse_id: str
    quantity: int


class PricedProduct(msgspec.Struct, frozen=True, rename="camel"):
    """Name and unit price of a product when it was reserved or looked up."""

    product_id: str
    name: str
    unit_price_minor: AmountMinor
    currency: Currency


class PriceProducts(msgspec.Struct, frozen=True, rename="camel"):
    product_ids: Annotated[list[Key], msgspec.Meta(max_length=MAX_COMMANDS)]


class NamedProducts(msgspec.Struct, frozen=True, rename="camel"):
    """By number, or by exact name."""

    names: Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=MAX_COMMANDS)]


class ProductPrices(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[PricedProduct | None]
    """None: not in the catalogue, or not sold any more; for a name also when several products have it."""


class Shortage(msgspec.Struct, frozen=True, rename="camel"):
    product_id: str
    requested: int
    available: int


class StockReserved(msgspec.Struct, frozen=True, rename="camel", tag="reserved", tag_field="outcome"):
    order_id: str
    allocations: list[Allocation]
    products: list[PricedProduct]
    idempotent: bool = False
    """True when this reservation already existed and nothing was changed by this call."""


class StockShort(msgspec.Struct, frozen=True, rename="camel", tag="insufficient_stock", tag_field="outcome"):
    order_id: str
    shortages: list[Shortage]
    products: list[PricedProduct] = []
    """Of all lines: what the order would cost."""


class ProductsUnknown(msgspec.Struct, frozen=True, rename="camel", tag="unknown_product", tag_field="outcome"):
    order_id: str
    product_ids: list[str]


class ReservationEnded(msgspec.Struct, frozen=True, rename="camel", tag="ended", tag_field="outcome"):
    """The order's reservation was released or committed before: a late reserve is refused for ever."""

    order_id: str
    state: ReservationStatus


ReserveOutcome = StockReserved | StockShort | ProductsUnknown | ReservationEnded


class ReserveOutcomes(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[ReserveOutcome]


class ReservationState(msgspec.Struct, frozen=True, rename="camel"):
    """Where a reservation stands after a release or commit: `reserved`, `released`, `committed` or `absent`.

    Releasing what was never reserved leaves `released` (a tombstone); committing it leaves `absent`;
    a committed reservation stays `committed` and a released one `released`, whatever is asked.
    """

    order_id: str
    state: ReservationStatus
    idempotent: bool = False
    empty: bool = False
    """Nothing was ever reserved: a release had nothing to undo."""


class ReservationStates(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[ReservationState]


# --- payments


class CapturePayment(msgspec.Struct, frozen=True, rename="camel"):
    """Charge one order once, ever: the order id is the key, at the provider too."""

    order_id: str
    customer_id: str
    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    currency: Currency
    method: str


class CapturePayments(msgspec.Struct, frozen=True, rename="camel"):
    """`wait_ms`: how long to wait for slow ones; those undecided then are answered `processing`."""

    commands: Annotated[list[CapturePayment], msgspec.Meta(max_length=MAX_COMMANDS)]
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = msgspec.field(default=500, name="patienceMs")


class PaymentOutcome(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`status`: `captured` | `declined` (final, with `reason`) | `processing` (outcome not known yet: ask again
    with the same command, though not at once when there is a `reason`; never compensate) | `voided` (ended before any
    charge, refused for ever) | `refunded` (captured and given back since).
    """

    order_id: str
    payment_id: str
    status: PaymentStatus
    reason: str | None = None
    idempotent: bool = False
    empty: bool = False
    """No money was taken, nor asked of the provider: a void had nothing to undo."""


class PaymentOutcomes(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[PaymentOutcome]


class VoidPayment(msgspec.Struct, frozen=True, rename="camel"):
    """Make sure an order ends with no money taken: refund what was captured, forbid a later capture."""

    order_id: str
    reason: str


class VoidPayments(msgspec.Struct, frozen=True, rename="camel"):
    commands: Annotated[list[VoidPayment], msgspec.Meta(max_length=MAX_COMMANDS)]
