"""Bodies of the orders API: requests with their limits, and responses."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from valerix.chassis.base import validation
from valerix.chassis.base.problems import (
    FieldError,
    Invalid,
    ProblemDocument,
    Problems,
    ProblemType,
)
from valerix.chassis.description.references import PREFIX
from valerix.contracts import text
from valerix.contracts.acts import By, RecordedAct
from valerix.contracts.commands import (
    MAX_LINES,
    Allocation,
    Key,
    Line,
    OrderDescription,
    OrderOutcome,
    OrderUnknown,
    Quantity,
)
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.events import BY_SOURCE, ORDER_REFUNDED, ORDERS
from valerix.contracts.money import Money
from valerix.contracts.payment_methods import METHODS, PaymentMethod
from valerix.contracts.states import FulfilmentStatus, OrderStatus
from valerix.orders import errors
from valerix.orders.decisions import Step
from valerix.orders.order import ON_SHORTAGE, Order, OrderLine

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Country = Annotated[str, msgspec.Meta(pattern=text.COUNTRY)]
OnShortage = Annotated[str, msgspec.Meta(extra={"openapi": {"enum": [*ON_SHORTAGE]}})]
DEFAULT_PAYMENT_METHOD = "card_ok"


class Address(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The postal address to which the goods are shipped."""

    name: Text
    street: Text
    city: Text
    country: Country
    """ISO 3166-1 alpha-2."""
    postal_code: Annotated[str, msgspec.Meta(max_length=20)] | None = None
    region: Text | None = None


class OrderItem(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A product to order, and how many units of it."""

    product_id: Key
    quantity: Quantity


class PlaceOrderBody(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """A new order: `items`, one line as `productId` and `quantity`, or one unit of a `product`."""

    customer_id: Key
    items: Annotated[list[OrderItem], msgspec.Meta(min_length=1, max_length=MAX_LINES)] | None = (
        None
    )
    product_id: Key | None = None
    product_name: Text | None = None
    """Accepted for convenience and ignored: the catalogue's name is used."""
    quantity: Quantity | None = None
    product: Text | None = None
    """Number or exact name of the product of which one unit is ordered."""
    amount: (
        Annotated[Decimal, msgspec.Meta(extra={"openapi": {"type": ["number", "string"]}})] | None
    ) = None
    """With `product`: the total the customer is willing to pay, in major units of the product's
    currency, as in `12.5`.
    """
    payment_method: PaymentMethod = DEFAULT_PAYMENT_METHOD
    on_shortage: OnShortage = "hold"
    shipping_address: Address | None = None
    expected_total: Money | None = None
    """The total the customer is willing to pay: for another total the order is refused before
    anything is charged.
    """
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None

    def lines(self) -> list[OrderLine]:
        """Return the ordered lines, in whichever form they came in."""
        if self.items is not None:
            return [OrderLine(item.product_id, item.quantity) for item in self.items]
        # decode_place has checked that one form is complete; a `product` is looked up later
        return [OrderLine(self.product_id or "", self.quantity or 0)]


_place_decoder = msgspec.json.Decoder(PlaceOrderBody)


def decode_place(body: bytes) -> PlaceOrderBody:
    """Decode the body of "place". Raises Invalid with a pointer for each bad field of any form."""
    decoded = validation.decode(_place_decoder, body, _form_errors)
    if errors := _form_errors(_plain(decoded)):
        raise Invalid(f"Check {errors[0].pointer[1:]}: {errors[0].message}", errors)
    return decoded


def _plain(body: PlaceOrderBody) -> dict[str, Any]:
    return {
        "items": body.items,
        "productId": body.product_id,
        "quantity": body.quantity,
        "product": body.product,
        "amount": body.amount,
        "expectedTotal": body.expected_total,
        "paymentMethod": body.payment_method,
        "onShortage": body.on_shortage,
    }


def _form_errors(raw: Any) -> list[FieldError]:
    """Check the rules that types cannot express: one of three forms, and values from a list."""
    if not isinstance(raw, dict):
        return []
    errors = []
    one_line = ("productId", "quantity")
    if raw.get("product") is not None:
        others = [name for name in ("items", *one_line) if raw.get(name) is not None]
        errors += [
            FieldError(f"/{name}", "Send either product or this, not both") for name in others
        ]
        if raw.get("amount") is not None and raw.get("expectedTotal") is not None:
            errors.append(FieldError("/amount", "Send either amount or expectedTotal, not both"))
    elif raw.get("amount") is not None:
        errors.append(
            FieldError("/amount", "Send amount only with product; otherwise send expectedTotal")
        )
    elif raw.get("items") is None:
        missing = [name for name in one_line if raw.get(name) is None]
        errors += [
            FieldError(f"/{name}", "This field is required (or send items)") for name in missing
        ]
    else:
        doubled = [name for name in one_line if raw.get(name) is not None]
        errors += [
            FieldError(f"/{name}", "Send either items or one line, not both") for name in doubled
        ]
    errors += _one_of("paymentMethod", raw.get("paymentMethod", DEFAULT_PAYMENT_METHOD), METHODS)
    errors += _one_of("onShortage", raw.get("onShortage", "hold"), ON_SHORTAGE)
    return errors


def _one_of(name: str, value: Any, allowed: Collection[str]) -> list[FieldError]:
    """Check a value of any type against a list; it may be one that cannot be looked up."""
    if isinstance(value, str) and value in allowed:
        return []
    return [FieldError(f"/{name}", f"Expected one of: {', '.join(allowed)}")]


class ChangeOrderBody(
    msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """A change of the lines of an order held for stock, or of the address of an unshipped order.

    Staff may send `status` instead, and nothing else: the order is moved on until it has this
    status.
    """

    items: Annotated[list[OrderItem], msgspec.Meta(min_length=1, max_length=MAX_LINES)] | None = (
        None
    )
    quantity: Quantity | None = None
    """New quantity of the only line."""
    expected_total: Money | None = None
    """With new lines: their total; for another total nothing is changed."""
    shipping_address: Address | None = None
    status: FulfilmentStatus | None = None


ShownAddress = Annotated[
    dict[str, Any], msgspec.Meta(extra={"openapi": {"$ref": f"{PREFIX}{Address.__name__}"}})
]
"""An `Address` as it was stored."""


class LineView(msgspec.Struct, frozen=True, rename="camel"):
    """A line of an order.

    Name and prices are null until inventory has answered once; the line costs its price, or less.
    """

    product_id: str
    product_name: str | None
    quantity: int
    unit_price: Money | None
    line_total: Money | None


class OrderView(msgspec.Struct, frozen=True, rename="camel"):
    """An order in the API; also the data of its events, so that an old answer can be replayed."""

    id: str
    customer_id: str
    status: OrderStatus
    items: list[LineView]
    total: Money | None
    """Null until inventory has answered once; then a ceiling: a line costs that, or less if the
    catalogue price is lower.
    """
    payment_method: PaymentMethod
    payment_id: str | None
    inventory_updated: bool
    reservation: list[Allocation] | None
    on_shortage: OnShortage
    shipping_address: ShownAddress | None
    error_code: str | None
    error_message: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    product_id: str | msgspec.UnsetType = msgspec.UNSET
    """Present for an order with one line, like `quantity`. Missing in records stored before these
    fields existed.
    """
    quantity: int | msgspec.UnsetType = msgspec.UNSET
    refunded: Money | msgspec.UnsetType = msgspec.UNSET
    """Total of the refunds by staff so far; absent if there are none."""
    held_until: datetime | msgspec.UnsetType = msgspec.UNSET
    """Time at which an order that waits for stock is cancelled; absent for any other order."""


class OrderProblem(ProblemDocument, frozen=True, rename="camel"):
    """A refusal of an order that is kept: `order` is its present state."""

    order: OrderView | msgspec.UnsetType = msgspec.UNSET
    """Absent where nothing was written: an idempotency key in flight or reused."""


class RefundedView(msgspec.Struct, frozen=True, rename="camel"):
    """A refund by staff: amount and reason. `id`: of the refund in payments."""

    id: str
    amount: Money
    reason: str


class OrderRefundedView(OrderView, frozen=True, rename="camel", kw_only=True):
    """The order after a refund by hand."""

    refund: RefundedView


EVENT_DATA: Final[dict[str, type]] = dict.fromkeys(BY_SOURCE[ORDERS], OrderView) | {
    ORDER_REFUNDED: OrderRefundedView
}


class StepView(msgspec.Struct, frozen=True, rename="camel"):
    """One attempt of a saga step: its outcome, and its duration in milliseconds."""

    name: str
    attempt: int
    outcome: str
    started_at: datetime
    duration_ms: float
    detail: str | None = None


class OrderEventView(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of the timeline."""

    version: int
    type: str
    occurred_at: datetime
    trace_id: str
    status: OrderStatus
    error_code: str | None
    error_message: str | None
    steps: list[StepView]
    refund: RefundedView | msgspec.UnsetType = msgspec.UNSET
    """Present for `order.refunded` only."""
    held_until: datetime | msgspec.UnsetType = msgspec.UNSET
    """Time at which an order that waits for stock from then on is cancelled."""
    nothing_to_undo: bool | msgspec.UnsetType = msgspec.UNSET
    """True if the order went backwards and found neither money nor stock to give back; no step
    shows that.
    """
    by: By | None = None
    """The act of staff, or of a service, that caused the entry. Null for acts of the customer and
    for steps that the order took by itself.
    """


class Timeline(msgspec.Struct, frozen=True, rename="camel"):
    """One page of an order's history, oldest first. `nextCursor` is null on the last page."""

    order_id: str
    events: list[OrderEventView]
    next_cursor: str | None = None
    acts: list[RecordedAct] | msgspec.UnsetType = msgspec.UNSET
    """Acts of staff on the order, its payment and its stock, oldest first. For staff only."""
    unanswered: list[str] | msgspec.UnsetType = msgspec.UNSET
    """Services that gave no answer: their acts are missing. For staff only."""


def view(order: Order) -> OrderView:
    """Return the API representation of `order`."""
    return OrderView(
        id=order.id,
        customer_id=order.customer_id,
        status=order.status,
        items=[_line_view(line, order.currency) for line in order.lines],
        total=_money(order.total_minor, order.currency),
        payment_method=order.payment_method,
        payment_id=order.payment_id,
        inventory_updated=order.allocations is not None,
        reservation=order.allocations,
        on_shortage=order.on_shortage,
        shipping_address=order.shipping_address,
        error_code=order.error_code,
        error_message=order.error_message,
        version=order.version,
        created_at=order.created_at,
        updated_at=order.updated_at,
        product_id=order.lines[0].product_id if len(order.lines) == 1 else msgspec.UNSET,
        quantity=order.lines[0].quantity if len(order.lines) == 1 else msgspec.UNSET,
        refunded=_money(order.refunded_minor, order.currency) or msgspec.UNSET,
        held_until=(order.held_until if order.held else None) or msgspec.UNSET,
    )


def refunded_view(order: Order, refund: RefundedView) -> OrderRefundedView:
    """Return the API representation of `order` after `refund`."""
    shown = view(order)
    return OrderRefundedView(
        **{name: getattr(shown, name) for name in shown.__struct_fields__}, refund=refund
    )


def describe(order_id: str, order: Order | None) -> OrderOutcome:
    """Describe the order for other services; None: there is no order with this id."""
    if order is None:
        return OrderUnknown(order_id)
    return OrderDescription(
        order_id=order.id,
        customer_id=order.customer_id,
        status=order.status,
        lines=[Line(line.product_id, line.quantity) for line in order.lines],
        payment_method=order.payment_method,
        total=None if order.allocations is None else _money(order.total_minor, order.currency),
        cancelling=order.cancelling,
    )


def step_views(steps: Sequence[Step]) -> list[StepView]:
    return [
        StepView(s.name, s.attempt, s.outcome, s.started_at, s.duration_ms, s.detail) for s in steps
    ]


def _line_view(line: OrderLine, currency: str | None) -> LineView:
    price = line.unit_price_minor
    total = None if price is None else price * line.quantity
    return LineView(
        line.product_id, line.name, line.quantity, _money(price, currency), _money(total, currency)
    )


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(amount, currency)


PROBLEMS: Final[Problems] = {
    errors.IllegalOrderTransition: ProblemType(409, "Illegal status transition"),
    errors.StaffOnly: ProblemType(403, "Not allowed"),
    OrderNotFound: ProblemType(404, "No such order"),
    errors.NotCancellable: ProblemType(409, "The order can no longer be cancelled"),
    errors.NotRetriable: ProblemType(409, "There is nothing to retry"),
    errors.OrderBusy: ProblemType(409, "The order is being processed", {"Retry-After": "1"}),
    errors.NotChangeable: ProblemType(409, "The order cannot be changed now"),
    errors.NotYourCustomer: ProblemType(403, "Not allowed"),
    errors.BeyondBounds: ProblemType(
        429, "The customer has too many undecided orders", {"Retry-After": "60"}
    ),
    errors.PaymentDeclined: ProblemType(402, "The payment was declined"),
    errors.InsufficientStock: ProblemType(409, "Insufficient stock"),
    errors.UnknownProduct: ProblemType(422, "Unknown product"),
    errors.UnknownCustomer: ProblemType(422, "Unknown customer"),
    errors.CustomerSuspended: ProblemType(422, "The customer is suspended"),
    errors.NotChargeable: ProblemType(422, "The order cannot be charged"),
    errors.PriceChanged: ProblemType(409, "The price has changed"),
    errors.TotalDiffers: ProblemType(409, "The total differs"),
    errors.OrderCancelled: ProblemType(409, "The order was cancelled"),
    errors.OrderEnded: ProblemType(409, "The order ended without success"),
}
"""The HTTP problem for each domain error."""
