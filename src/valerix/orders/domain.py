"""The order: its states, what may follow what, and how a pass over it ends. No I/O, no clock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, assert_never

from valerix.chassis.base.problems import Conflict, Forbidden, NotFound, Problem, Unprocessable
from valerix.contracts.commands import Allocation, PricedProduct
from valerix.contracts.states import OrderStatus


def _followers(status: OrderStatus) -> set[OrderStatus]:
    match status:
        case OrderStatus.PENDING:
            return {OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED}
        case OrderStatus.CONFIRMED:
            return {OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.SHIPPED, OrderStatus.CANCELLED}
        case OrderStatus.PROCESSING:
            return {OrderStatus.PROCESSING, OrderStatus.SHIPPED, OrderStatus.CANCELLED}
        case OrderStatus.SHIPPED:
            return {OrderStatus.COMPLETED}
        case OrderStatus.COMPLETED | OrderStatus.FAILED | OrderStatus.CANCELLED:
            return set()
        case _:
            assert_never(status)


TRANSITIONS: Final = {status: frozenset(_followers(status)) for status in OrderStatus}
"""Staying in a state is a transition too when something is recorded about it (held, delayed, changed)."""

NEXT: Final = {
    OrderStatus.CONFIRMED: OrderStatus.PROCESSING,
    OrderStatus.PROCESSING: OrderStatus.SHIPPED,
    OrderStatus.SHIPPED: OrderStatus.COMPLETED,
}
"""The way through the warehouse."""
UNAIDED: Final = (OrderStatus.CONFIRMED, OrderStatus.SHIPPED)
"""Their next step asks no other service."""


def _is_counted(status: OrderStatus) -> bool:
    match status:
        case OrderStatus.PENDING | OrderStatus.CONFIRMED | OrderStatus.PROCESSING | OrderStatus.SHIPPED:
            return True
        case OrderStatus.FAILED | OrderStatus.CANCELLED:
            return True
        case OrderStatus.COMPLETED:
            return False
        case _:
            assert_never(status)


def _goods_left(status: OrderStatus) -> bool:
    match status:
        case OrderStatus.SHIPPED | OrderStatus.COMPLETED:
            return True
        case OrderStatus.PENDING | OrderStatus.CONFIRMED | OrderStatus.PROCESSING:
            return False
        case OrderStatus.FAILED | OrderStatus.CANCELLED:
            return False
        case _:
            assert_never(status)


COUNTED: Final = tuple(status for status in OrderStatus if _is_counted(status))
UNCOUNTED: Final = tuple(status for status in OrderStatus if not _is_counted(status))
"""Most orders end there: to count them reads most of the table."""
GOODS_LEFT: Final = tuple(status for status in OrderStatus if _goods_left(status))
"""Too late to cancel: a request to do so is void."""
CREATED: Final = "order.created"
HELD: Final = "order.held"
DELAYED: Final = "order.delayed"
CHANGED: Final = "order.changed"
ON_SHORTAGE: Final = ("hold", "backorder", "reject")
MAX_TOTAL_MINOR: Final = 10**12
BACKORDER_RETRY_SECONDS: Final = 30.0


class IllegalTransition(Conflict):
    code, title = "illegal_transition", "The order cannot go there"

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"An order that is {old} cannot become {new}")


class StaffOnly(Forbidden):
    code, title = "staff_only", "Not allowed"

    def __init__(self) -> None:
        super().__init__("Only operators and admins move an order through the warehouse")


class OrderNotFound(NotFound):
    code, title = "order_not_found", "No such order"

    def __init__(self) -> None:
        super().__init__("There is no order with this id")


class NotCancellable(Conflict):
    code, title = "not_cancellable", "The order can no longer be cancelled"

    def __init__(self, status: str) -> None:
        super().__init__(f"The order is {status}; only pending, confirmed and processing orders can be cancelled")


class NotRetriable(Conflict):
    code, title = "not_retriable", "There is nothing to retry"

    def __init__(self, status: str) -> None:
        super().__init__(f"The order is {status}; only pending orders can be retried")


class OrderBusy(Conflict):
    code, title = "order_busy", "The order is being worked on"

    def __init__(self) -> None:
        super().__init__("The order is being worked on right now; ask again shortly", headers={"Retry-After": "1"})


class NotChangeable(Conflict):
    code, title = "not_changeable", "The order cannot be changed now"


class NotYourCustomer(Forbidden):
    code, title = "not_your_customer", "Not allowed"

    def __init__(self) -> None:
        super().__init__("A customer can only place orders for themself")


# --- how the caller of "place" learns of a definite refusal; each has the order in its document


class PaymentDeclined(Problem):
    status, code, title = 402, "payment_declined", "The payment was declined"


class InsufficientStock(Conflict):
    code, title = "insufficient_stock", "Insufficient stock"


class UnknownProduct(Unprocessable):
    code, title = "unknown_product", "Unknown product"


class UnknownCustomer(Unprocessable):
    code, title = "unknown_customer", "Unknown customer"


class CustomerSuspended(Unprocessable):
    code, title = "customer_suspended", "The customer is suspended"


class NotChargeable(Unprocessable):
    code, title = "not_chargeable", "The order cannot be charged"


class OrderCancelled(Conflict):
    code, title = "order_cancelled", "The order was cancelled"


class OrderEnded(Conflict):
    code, title = "order_ended", "The order ended without success"


REFUSALS: Final[dict[str, type[Problem]]] = {
    refusal.code: refusal
    for refusal in (
        PaymentDeclined,
        InsufficientStock,
        UnknownProduct,
        UnknownCustomer,
        CustomerSuspended,
        NotChargeable,
        OrderCancelled,
        OrderEnded,
    )
}


def way(status: OrderStatus, target: OrderStatus) -> list[OrderStatus]:
    """The states through the warehouse from `status` to `target`; none when it is there. Raises IllegalTransition."""
    states = [status]
    while states[-1] != target:
        if states[-1] not in NEXT:
            raise IllegalTransition(status, target)
        states.append(NEXT[states[-1]])
    return states[1:]


# --- the order


@dataclass(slots=True)
class OrderLine:
    """One product of an order; name and price are known once stock was reserved."""

    product_id: str
    quantity: int
    name: str | None = None
    unit_price_minor: int | None = None


@dataclass(slots=True)
class Order:
    """An order as its row holds it. Amounts in minor units, times aware UTC."""

    id: str
    customer_id: str
    lines: list[OrderLine]
    payment_method: str
    on_shortage: str
    created_at: datetime
    updated_at: datetime
    shipping_address: dict[str, Any] | None = None
    status: OrderStatus = OrderStatus.PENDING
    version: int = 1
    currency: str | None = None
    total_minor: int | None = None
    allocations: list[Allocation] | None = None
    payment_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    cancel_reason: str | None = None
    lease_epoch: int = 0
    attempts: int = 0

    @property
    def held(self) -> bool:
        """Waiting for stock: nothing is reserved and nothing was charged."""
        return self.status is OrderStatus.PENDING and self.error_code == InsufficientStock.code

    @property
    def expires(self) -> bool:
        """When it is due, a held order ends; a backorder is tried again."""
        return self.held and self.on_shortage == "hold"

    @property
    def unaided(self) -> bool:
        """Its next step needs nobody, so it can be written where the order is found."""
        return self.status in UNAIDED and self.cancel_reason is None

    def price(self, products: list[PricedProduct]) -> None:
        """Fix names, unit prices and the total. Raises NotChargeable for mixed currencies or an absurd total."""
        by_id = {product.product_id: product for product in products}
        for line in self.lines:
            product = by_id[line.product_id]
            line.name, line.unit_price_minor = product.name, product.unit_price_minor
        currencies = {product.currency for product in products}
        total = sum(by_id[line.product_id].unit_price_minor * line.quantity for line in self.lines)
        if len(currencies) != 1:
            raise NotChargeable(f"All products of an order must have one currency, not {', '.join(sorted(currencies))}")
        if total > MAX_TOTAL_MINOR:
            raise NotChargeable("The total of the order is too large to charge")
        self.currency, self.total_minor = currencies.pop(), total

    def move(self, status: OrderStatus, now: datetime) -> None:
        """Enter `status` with the next version. Raises IllegalTransition."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(self.status, status)
        self.status, self.version, self.updated_at = status, self.version + 1, now


# --- how one pass over an order ends


@dataclass(slots=True)
class Decision:
    """What a pass found out: the new status, the event that tells it, and when to look again (None: never)."""

    status: OrderStatus
    event: str
    error_code: str | None = None
    error_message: str | None = None
    due_in: timedelta | None = None
    detail: str | None = None
    """For the caller's problem document, where it says more than the message."""
    silent: bool = False
    """Nothing to tell: only the time to look again changes."""


@dataclass(slots=True)
class Step:
    """One attempt of one saga step, as the timeline shows it."""

    name: str
    attempt: int
    outcome: str
    started_at: datetime
    duration_ms: float
    detail: str | None = None


@dataclass(slots=True)
class Pass:
    """One order on its way through the saga. It takes part in steps until it has a decision."""

    order: Order
    steps: list[Step] = field(default_factory=list)
    decision: Decision | None = None
    compensate: bool = False
    """The decision holds only once stock is released and the payment voided."""
    charging: bool = False
    """The payment's outcome is not known yet: never compensated, never re-keyed, only asked again."""


def confirmed(dwell: timedelta) -> Decision:
    """Reserved and paid; the warehouse begins after `dwell`."""
    return _entering(OrderStatus.CONFIRMED, due_in=dwell)


def fulfilled(order: Order, dwell: timedelta) -> Decision:
    """The next state of an order the warehouse is working on; `dwell` is how long it then stays there."""
    status = NEXT[order.status]
    return _entering(status, due_in=None if status.terminal else dwell)


def shipped_after_all(dwell: timedelta) -> Decision:
    """The wish to cancel came too late: the goods have left."""
    return _entering(OrderStatus.SHIPPED, due_in=dwell)


def failed(refusal: type[Problem], message: str, detail: str | None = None) -> Decision:
    return _entering(OrderStatus.FAILED, refusal.code, message, detail=detail)


def cancelled(reason: str) -> Decision:
    return _entering(OrderStatus.CANCELLED, OrderCancelled.code, reason)


def _entering(
    status: OrderStatus,
    error_code: str | None = None,
    message: str | None = None,
    *,
    due_in: timedelta | None = None,
    detail: str | None = None,
) -> Decision:
    return Decision(status, f"order.{status}", error_code, message, due_in, detail)


class Retry(NamedTuple):
    """Pauses before a delayed order is driven again."""

    first_seconds: float
    longest_seconds: float


def delayed(order: Order, code: str, message: str, retry: Retry, jitter: float) -> Decision:
    """No change but a stated reason; driven again after the first pause, twice, four times as long … up to the longest.

    `jitter` in [0, 1] makes it 0.5 to 1 times as long.
    """
    seconds = min(retry.longest_seconds, retry.first_seconds * 2.0 ** min(order.attempts, 10)) * (0.5 + jitter / 2)
    return Decision(order.status, DELAYED, code, message, timedelta(seconds=seconds))


def waiting(order: Order, code: str, message: str, seconds: float, retry: Retry, jitter: float) -> Decision:
    """Nothing was tried because nothing can be before `seconds` are over; driven then, or up to two first pauses later.

    When the order waits for just that already, its history need not say so again.
    """
    known = (order.error_code, order.error_message) == (code, message)
    due_in = timedelta(seconds=seconds + 2 * retry.first_seconds * jitter)
    return Decision(order.status, DELAYED, code, message, due_in, silent=known)


def short_of_stock(order: Order, shortages: str, hold: timedelta) -> Decision:
    """Insufficient stock, by the order's own wish: fail at once, wait for the customer, or wait for a restock."""
    message = "Insufficient stock"
    if order.on_shortage == "reject":
        return failed(InsufficientStock, message, shortages)
    due_in = hold if order.on_shortage == "hold" else timedelta(seconds=BACKORDER_RETRY_SECONDS)
    return Decision(OrderStatus.PENDING, HELD, InsufficientStock.code, message, due_in, shortages)
