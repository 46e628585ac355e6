"""Models of the API's answers.

Fields that this version does not know are skipped, so newer servers work too.
"""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from valerix.contracts.money import Money

T = TypeVar("T")


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all answers."""


class Page(Model, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """One page of a list. `next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None = None


# --- orders


class Address(Model, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    name: str
    street: str
    city: str
    country: str
    """ISO 3166-1 alpha-2."""
    postal_code: str | None = None
    region: str | None = None


class OrderLine(Model, frozen=True, kw_only=True, rename="camel"):
    """One line of an order.

    Name and prices are None until inventory has answered once. The charge is this price, or less.
    """

    product_id: str
    quantity: int
    product_name: str | None = None
    unit_price: Money | None = None
    line_total: Money | None = None


class Allocation(Model, frozen=True, kw_only=True, rename="camel"):
    """Units of one product reserved in one warehouse."""

    product_id: str
    warehouse_id: str
    quantity: int


class Order(Model, frozen=True, kw_only=True, rename="camel"):
    """`status`: pending, confirmed, processing, shipped, completed; failed or cancelled."""

    id: str
    customer_id: str
    status: str
    items: list[OrderLine]
    payment_method: str
    on_shortage: str
    version: int
    created_at: datetime
    updated_at: datetime
    inventory_updated: bool = False
    total: Money | None = None
    payment_id: str | None = None
    reservation: list[Allocation] | None = None
    shipping_address: Address | None = None
    error_code: str | None = None
    error_message: str | None = None
    refunded: Money | None = None
    """Amount that staff has refunded so far."""
    held_until: datetime | None = None
    """Time at which an order that still waits for stock is cancelled."""


class PlacedOrder(Order, frozen=True, kw_only=True, rename="camel"):
    """The answer to placing an order."""

    replayed: bool = False
    """The idempotency key was used before: this is the stored answer of that first request."""


class Step(Model, frozen=True, kw_only=True, rename="camel"):
    """One attempt of one step of an order's saga."""

    name: str
    attempt: int
    outcome: str
    started_at: datetime
    duration_ms: float
    detail: str | None = None


class OrderRefund(Model, frozen=True, kw_only=True, rename="camel"):
    """A refund by staff, with its reason."""

    amount: Money
    reason: str


class OrderEvent(Model, frozen=True, kw_only=True, rename="camel"):
    """One entry of an order's timeline."""

    version: int
    type: str
    occurred_at: datetime
    status: str
    trace_id: str = ""
    error_code: str | None = None
    error_message: str | None = None
    steps: list[Step] = []
    refund: OrderRefund | None = None
    """Only for `order.refunded`."""
    held_until: datetime | None = None
    """Only for an order that waits for stock from this event on."""
    nothing_to_undo: bool = False
    """The compensation found neither money to refund nor stock to release."""


class Timeline(Model, frozen=True, kw_only=True, rename="camel"):
    """The events of an order, oldest first.

    `next_cursor`: where the next page begins; None at the end.
    """

    order_id: str
    events: list[OrderEvent]
    next_cursor: str | None = None


# --- inventory


class WarehouseStock(Model, frozen=True, kw_only=True, rename="camel"):
    """The stock of one product in one warehouse; `available` is on hand minus reserved."""

    warehouse_id: str
    on_hand: int
    reserved: int
    available: int


class StockItem(Model, frozen=True, kw_only=True, rename="camel"):
    """The stock of one product. `low_stock`: available is at or under the threshold."""

    product_id: str
    name: str
    on_hand: int
    reserved: int
    available: int
    low_stock_threshold: int
    low_stock: bool
    active: bool = True
    warehouses: list[WarehouseStock] = []


class Movement(Model, frozen=True, kw_only=True, rename="camel"):
    """One entry of the stock ledger; `seq` counts without gaps, per product and warehouse."""

    product_id: str
    warehouse_id: str
    seq: int
    kind: str
    on_hand_delta: int
    reserved_delta: int
    on_hand_after: int
    reserved_after: int
    actor: str
    occurred_at: datetime
    order_id: str | None = None
    reason: str | None = None
    trace_id: str = ""


class StockAdjusted(Model, frozen=True, kw_only=True, rename="camel"):
    """The stock of one product in one warehouse after the change.

    `idempotent`: this repeats an earlier answer.
    """

    product_id: str
    warehouse_id: str
    on_hand: int
    reserved: int
    available: int
    seq: int
    idempotent: bool = False


class StockUpdated(Model, frozen=True, kw_only=True, rename="camel"):
    """Units on hand over all warehouses, before and after."""

    success: bool
    previous_stock: int
    new_stock: int
    idempotent: bool = False
    message: str | None = None


class Product(Model, frozen=True, kw_only=True, rename="camel"):
    """One product of the catalogue.

    `version`: pass it to `products.update` to detect other changes.
    """

    product_id: str
    name: str
    price: Money
    created_at: datetime
    updated_at: datetime
    version: int
    description: str = ""
    active: bool = True
    low_stock_threshold: int = 0


class Warehouse(Model, frozen=True, kw_only=True, rename="camel"):
    """Stock is taken from the warehouse with the lowest `priority` first."""

    warehouse_id: str
    name: str
    priority: int
    created_at: datetime


# --- payments


class Refund(Model, frozen=True, kw_only=True, rename="camel"):
    """`status`: pending (the provider has not answered yet), succeeded, or failed (with
    `failure`).
    """

    id: str
    payment_id: str
    amount_minor: int
    """In the payment's currency."""
    reason: str
    status: str
    created_at: datetime
    updated_at: datetime
    failure: str | None = None


class Payment(Model, frozen=True, kw_only=True, rename="camel"):
    """`status`: processing, captured, declined, voided, partially_refunded or refunded.

    Customer, method and amounts are None only when the order ended before the charge.
    """

    id: str
    order_id: str
    status: str
    provider_reference: str
    version: int
    created_at: datetime
    updated_at: datetime
    customer_id: str | None = None
    amount: Money | None = None
    method: str | None = None
    reason: str | None = None
    captured: Money | None = None
    refunded: Money | None = None
    refund_pending: Money | None = None


class PaymentEvent(Model, frozen=True, kw_only=True, rename="camel"):
    """One entry of a payment's history."""

    version: int
    type: str
    status: str
    occurred_at: datetime
    trace_id: str = ""


class PaymentDetail(Payment, frozen=True, kw_only=True, rename="camel"):
    """A payment with its first refunds and events; a cursor is None when there are no more."""

    refunds: list[Refund] = []
    history: list[PaymentEvent] = []
    refunds_cursor: str | None = None
    history_cursor: str | None = None


# --- users


class User(Model, frozen=True, kw_only=True, rename="camel"):
    """One account. `role`: customer, operator or admin; `status`: active or suspended."""

    id: str
    email: str
    name: str
    role: str
    status: str
    created_at: datetime
    updated_at: datetime
    version: int
    customer_id: str | None = None
    """None for staff."""
    email_confirmed: bool = False
    """Whether the owner of the account has confirmed the address."""


class SignedIn(Model, frozen=True, kw_only=True, rename="camel"):
    """The answer to a sign-in."""

    access_token: str
    expires_in: int
    """Seconds."""
    user: User
    device_token: str | None = None
    """Lets this client sign in again while the account is limited because of guessed passwords."""


class Customer(Model, frozen=True, kw_only=True, rename="camel"):
    """A customer by customer number. `status`: active or suspended."""

    customer_id: str
    name: str
    email: str
    status: str
    created_at: datetime


class CustomerValidity(Model, frozen=True, kw_only=True, rename="camel"):
    """Whether a customer may order; `reason` is `unknown` or `suspended` when not."""

    valid: bool
    reason: str | None = None


# --- bus


class DeadLetterSummary(Model, frozen=True, kw_only=True, rename="camel"):
    """An event that `consumer` could not process.

    `replayed_at`: when a replay processed it; None while it waits.
    """

    id: int
    """Counted per consumer."""
    consumer: str
    event_type: str
    subject: str
    error: str
    attempts: int
    failed_at: datetime
    replayed_at: datetime | None = None


class DeadLetter(Model, frozen=True, kw_only=True, rename="camel"):
    """A dead letter in full (see DeadLetterSummary); `event` is the CloudEvent as it arrived."""

    id: int
    consumer: str
    event: dict[str, Any]
    error: str
    attempts: int
    failed_at: datetime
    replayed_at: datetime | None = None
