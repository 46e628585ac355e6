"""The list-shaped internal calls between services.

Every command is idempotent by its order id: a command that is sent twice has one effect, and the
second answer equals the first. A reply holds exactly one outcome per command, in the order of the
commands.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from valerix.contracts.errors import OrderNotFound
from valerix.contracts.money import AmountMinor, Currency, Money
from valerix.contracts.states import OrderStatus, PaymentStatus, ReservationStatus

MAX_COMMANDS: Final = 256
"""Maximum number of commands in one internal call."""
MAX_FOUND: Final = 20
"""Maximum number of customers or orders in the answer to a search of another service."""
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
    """A requested quantity of one product."""

    product_id: Key
    quantity: Quantity


class OrderRefs(msgspec.Struct, frozen=True, rename="camel"):
    """Ids of orders to describe, or of orders with reservations to release or commit."""

    order_ids: Annotated[list[str], msgspec.Meta(max_length=MAX_COMMANDS)]


# --- orders


class OrderDescription(
    msgspec.Struct, frozen=True, rename="camel", tag="described", tag_field="outcome"
):
    """The state of an order: lines, total, and whether it may still be paid or delivered."""

    order_id: str
    customer_id: str
    status: OrderStatus
    lines: list[Line]
    payment_method: str
    total: Money | None
    """None until stock was reserved once: before that, the quote may still become lower.

    After the reservation the total never changes.
    """
    cancelling: bool
    """A cancellation is requested: the order ends as soon as the services it needs answer."""


class OrderUnknown(msgspec.Struct, frozen=True, rename="camel", tag="unknown", tag_field="outcome"):
    """No order has this id; the id may be any text."""

    order_id: str


OrderOutcome = OrderDescription | OrderUnknown


class OrderOutcomes(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[OrderOutcome]

    def only(self) -> OrderDescription:
        """Return the description of the one requested order. Raises OrderNotFound."""
        (outcome,) = self.outcomes
        if not isinstance(outcome, OrderDescription):
            raise OrderNotFound
        return outcome


class FindOrders(msgspec.Struct, frozen=True, rename="camel"):
    """A search for orders by the end of their ids, in a form of contracts.ids.find_ids."""

    search: SearchText


class OrdersFound(msgspec.Struct, frozen=True, rename="camel"):
    """Ids of the newest matching orders, up to MAX_FOUND."""

    order_ids: list[str]


class RefundGiven(msgspec.Struct, frozen=True, rename="camel"):
    """Money that staff refunded of a paid order.

    It is noted once by its id, however often it is sent.
    """

    refund_id: str
    order_id: str
    amount: Money
    reason: str


class NoteRefunds(msgspec.Struct, frozen=True, rename="camel"):
    commands: Annotated[list[RefundGiven], msgspec.Meta(max_length=MAX_COMMANDS)]


class RefundNoted(msgspec.Struct, frozen=True, rename="camel"):
    """The outcome of one refund note.

    `settled`: the order's history contains the refund, or never will because the order ended
    without success. If it is false, the outcome is not decided yet: send the note again later.
    """

    refund_id: str
    settled: bool


class RefundsNoted(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[RefundNoted]


# --- users


class CheckCustomers(msgspec.Struct, frozen=True, rename="camel"):
    customer_ids: Annotated[list[Key], msgspec.Meta(max_length=MAX_COMMANDS)]


class CustomerStanding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whether a customer may place orders; if not, `reason` is `unknown` or `suspended`."""

    customer_id: str
    valid: bool
    reason: str | None = None


class CustomersChecked(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[CustomerStanding]


class FindCustomers(msgspec.Struct, frozen=True, rename="camel"):
    """A search for customers by name or e-mail address.

    A name or an address matches if each word of `search` is the beginning of one of its words.
    """

    search: SearchText


class CustomersFound(msgspec.Struct, frozen=True, rename="camel"):
    """Numbers of up to MAX_FOUND customers.

    Exact matches of name or address come first, then the newest customers.
    """

    customer_ids: list[str]


# --- inventory


class ReserveStock(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Reserves all lines of one order, or nothing. Lines with the same product are summed."""

    order_id: str
    lines: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    waits_since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """For a backorder, the time it was accepted.

    If stock is short, the order waits in this place of the waiting list until
    `inventory.reservation_ready`. None: if stock is short, the order is only refused.
    """


class ReserveStocks(msgspec.Struct, frozen=True, rename="camel"):
    commands: Annotated[list[ReserveStock], msgspec.Meta(max_length=MAX_COMMANDS)]


class Allocation(msgspec.Struct, frozen=True, rename="camel"):
    """Units of one product reserved in one warehouse."""

    product_id: str
    warehouse_id: str
    quantity: int


class PricedProduct(msgspec.Struct, frozen=True, rename="camel"):
    """Name and unit price of a product at the time of its reservation or look-up."""

    product_id: str
    name: str
    unit_price_minor: AmountMinor
    currency: Currency


class PriceProducts(msgspec.Struct, frozen=True, rename="camel"):
    product_ids: Annotated[list[Key], msgspec.Meta(max_length=MAX_COMMANDS)]


class NamedProducts(msgspec.Struct, frozen=True, rename="camel"):
    """A look-up of products by product number or by exact name."""

    names: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=MAX_COMMANDS)
    ]


class ProductPrices(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[PricedProduct | None]
    """None: the product is not in the catalogue, or is no longer sold.

    For a name, also if several products have it.
    """


class Shortage(msgspec.Struct, frozen=True, rename="camel"):
    """A product that is short: the quantity requested and the quantity available."""

    product_id: str
    requested: int
    available: int


class StockReserved(
    msgspec.Struct, frozen=True, rename="camel", tag="reserved", tag_field="outcome"
):
    """All lines of the order are reserved."""

    order_id: str
    allocations: list[Allocation]
    products: list[PricedProduct]
    idempotent: bool = False
    """True if the reservation already existed and this call changed nothing."""


class StockShort(
    msgspec.Struct, frozen=True, rename="camel", tag="insufficient_stock", tag_field="outcome"
):
    """Stock is short for at least one product, so nothing is reserved."""

    order_id: str
    shortages: list[Shortage]
    products: list[PricedProduct] = []
    """The products of all lines, with the prices the order would cost."""


class ProductsUnknown(
    msgspec.Struct, frozen=True, rename="camel", tag="unknown_product", tag_field="outcome"
):
    """At least one product is unknown or no longer sold, so nothing is reserved."""

    order_id: str
    product_ids: list[str]


class ReservationEnded(
    msgspec.Struct, frozen=True, rename="camel", tag="ended", tag_field="outcome"
):
    """The reservation of the order was released or committed before.

    A late reserve is refused forever.
    """

    order_id: str
    state: ReservationStatus


ReserveOutcome = StockReserved | StockShort | ProductsUnknown | ReservationEnded


class ReserveOutcomes(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[ReserveOutcome]


class ReservationState(msgspec.Struct, frozen=True, rename="camel"):
    """The state of a reservation after a release or commit.

    The states are `reserved`, `released`, `committed` and `absent`. A release without a reservation
    leaves `released` (a tombstone); a commit without one leaves `absent`. A committed reservation
    stays `committed` and a released one stays `released`, whatever is requested.
    """

    order_id: str
    state: ReservationStatus
    idempotent: bool = False
    empty: bool = False
    """No stock was ever reserved: the release had nothing to undo."""


class ReservationStates(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[ReservationState]


# --- payments


class CapturePayment(msgspec.Struct, frozen=True, rename="camel"):
    """Charges one order at most once, ever.

    The order id is the idempotency key, at the provider too.
    """

    order_id: str
    customer_id: str
    amount_minor: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    currency: Currency
    method: str


class CapturePayments(msgspec.Struct, frozen=True, rename="camel"):
    """Captures of several orders.

    `wait_ms`: how long to wait for slow payments; payments still undecided are answered
    `processing`.
    """

    commands: Annotated[list[CapturePayment], msgspec.Meta(max_length=MAX_COMMANDS)]
    wait_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = msgspec.field(
        default=500, name="patienceMs"
    )


class PaymentOutcome(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The outcome of a capture or a void, by `status`.

    - `captured`
    - `declined`: final, with `reason`
    - `processing`: the outcome is not known yet; send the same command again, though not at once if
      there is a `reason`; never compensate
    - `voided`: ended before any charge; a charge is refused forever
    - `refunded`: captured, and refunded since
    """

    order_id: str
    payment_id: str
    status: PaymentStatus
    reason: str | None = None
    idempotent: bool = False
    empty: bool = False
    """No money was taken, and no charge was requested from the provider: nothing to undo."""


class PaymentOutcomes(msgspec.Struct, frozen=True, rename="camel"):
    outcomes: list[PaymentOutcome]


class VoidPayment(msgspec.Struct, frozen=True, rename="camel"):
    """Makes sure that no money is kept for an order: refunds a capture, and forbids a later one."""

    order_id: str
    reason: str


class VoidPayments(msgspec.Struct, frozen=True, rename="camel"):
    commands: Annotated[list[VoidPayment], msgspec.Meta(max_length=MAX_COMMANDS)]
