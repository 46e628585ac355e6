"""The decisions that end one saga run over an order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from valerix.contracts import acts
from valerix.contracts.acts import RecordedAct
from valerix.contracts.errors import DomainError
from valerix.contracts.events import ORDER_CANCELLED, ORDER_HELD
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders.errors import InsufficientStock, OrderCancelled
from valerix.orders.order import REJECT, Order
from valerix.orders.transitions import AT_REST, FULFILMENT_STEPS

DELAYED: Final = "order.delayed"
CHANGED: Final = "order.changed"
STILL_HELD: Final = "order.still_held"
"""These three are entries of the history and no events: they stay in this service."""
COMPENSATIONS: Final = ("void_payment", "release_stock")
"""Steps of the saga that undo other steps."""
NOTHING_TO_UNDO: Final = "nothing_to_undo"
"""Outcome of a compensation that had nothing to undo."""


@dataclass(slots=True)
class Decision:
    """The result of a saga run.

    It holds the new status, the event that publishes it, and the time until the order is due again
    (None: never).
    """

    status: OrderStatus
    event: str
    error_code: str | None = None
    error_message: str | None = None
    due_in: timedelta | None = None
    detail: str | None = None
    """For the caller's problem document, where it says more than the message does."""
    emits_event: bool = True
    """If False, only the time until the order is due changes."""
    held_until: datetime | None = None
    """For an order that waits for its customer or for stock: the end of the wait."""


@dataclass(slots=True)
class Step:
    """One attempt of one saga step, as the timeline shows it."""

    name: str
    attempt: int
    outcome: str
    started_at: datetime
    duration_ms: float
    detail: str | None = None


def found_nothing_to_undo(steps: Sequence[Step]) -> bool:
    """Return whether these steps went backwards and no compensation had anything to undo."""
    undoing = {step.name for step in steps if step.name in COMPENSATIONS}
    return bool(undoing) and undoing == {
        step.name for step in steps if step.outcome == NOTHING_TO_UNDO
    }


def shown(steps: Sequence[Step]) -> list[Step]:
    """Return the steps to show to people: no compensations that had nothing to undo."""
    idle = {step.name for step in steps if step.outcome == NOTHING_TO_UNDO}
    return [step for step in steps if step.name not in idle]


class Refunded(NamedTuple):
    """A refund by hand, as its entry of the history holds it. `id`: of the refund in payments."""

    id: str
    amount: Money
    reason: str


class HistoryEntry(NamedTuple):
    """One entry of the history of an order."""

    version: int
    type: str
    status: OrderStatus
    error_code: str | None
    error_message: str | None
    steps: list[Step]
    trace_id: str
    occurred_at: datetime
    refund: Refunded | None = None
    held_until: datetime | None = None


def cause_of(entry: HistoryEntry, recorded: Sequence[RecordedAct]) -> RecordedAct | None:
    """Return the act that caused an entry, out of the acts on its order; None if there is none.

    An act names the version it changed. An immediate change is the next version; a cancellation and
    a path through the warehouse may take several versions, in any process.
    """
    return next((act for act in recorded if _has_caused(act, entry)), None)


def _has_caused(act: RecordedAct, entry: HistoryEntry) -> bool:
    match act.act:
        case acts.ORDER_PLACED:
            return entry.version == 1
        case acts.ORDER_CHANGED:
            return bool(entry.version == act.what["version"] + 1)
        case acts.ORDER_CANCELLED:
            return entry.type == ORDER_CANCELLED
        case acts.ORDER_MOVED | acts.ORDER_RETRIED:
            return bool(entry.version > act.what["version"]) and entry.trace_id == act.trace_id
        case acts.PAYMENT_REFUNDED:
            return entry.refund is not None and entry.refund.id == act.what["refundId"]
        case _:
            return False


@dataclass(slots=True)
class SagaRun:
    """One run of the saga over one order. It takes part in steps until it has a decision."""

    order: Order
    steps: list[Step] = field(default_factory=list)
    decision: Decision | None = None
    compensate: bool = False
    """The decision holds only after the stock is released and the payment voided."""
    asked: bool = False
    """The order is driven because of a request, not because it was due."""
    charging: bool = False
    """The outcome of the payment is not known yet.

    The payment is never compensated and never charged under another key, only requested again.
    """


def confirmed(dwell: timedelta) -> Decision:
    """Confirm an order that is reserved and paid; the warehouse begins after `dwell`."""
    return _entering(OrderStatus.CONFIRMED, due_in=dwell)


def fulfilled(order: Order, dwell: timedelta) -> Decision:
    """Enter the next state in the warehouse; `dwell` is how long the order then stays there."""
    status = FULFILMENT_STEPS[order.status]
    return _entering(status, due_in=None if status in AT_REST else dwell)


def left_alone(order: Order) -> Decision:
    """Leave the order unchanged; nothing is due."""
    return Decision(order.status, DELAYED, order.error_code, order.error_message, emits_event=False)


def shipped_after_all(dwell: timedelta) -> Decision:
    """Ship the order: its cancellation came too late, the goods have left."""
    return _entering(OrderStatus.SHIPPED, due_in=dwell)


def failed(refusal: type[DomainError], message: str, detail: str | None = None) -> Decision:
    """End the order as failed, with the code of the refusal."""
    return _entering(OrderStatus.FAILED, refusal.code, message, detail=detail)


def cancelled(reason: str) -> Decision:
    """End the order as cancelled, with this reason."""
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


class StockWait(NamedTuple):
    """Waiting times of orders that are short of stock."""

    hold: timedelta
    """For the customer, from the moment the order is held."""
    backorder: timedelta
    """For stock, from the acceptance of a backorder."""
    look: timedelta
    """Until a backorder requests stock without an event that the stock is there."""


class Retry(NamedTuple):
    """Pauses before a delayed order is driven again."""

    first_seconds: float
    longest_seconds: float


def delayed(order: Order, code: str, message: str, retry: Retry, jitter: float) -> Decision:
    """Postpone an order with a stated reason.

    It is driven again after the first pause, then after two times, four times as long … up to the
    longest. `jitter` in [0, 1] makes the pause 0.5 to 1 times as long.
    """
    seconds = min(retry.longest_seconds, retry.first_seconds * 2.0 ** min(order.attempts, 10)) * (
        0.5 + jitter / 2
    )
    return Decision(order.status, DELAYED, code, message, timedelta(seconds=seconds))


def waiting(
    order: Order, code: str, message: str, seconds: float, retry: Retry, jitter: float
) -> Decision:
    """Postpone an order without an attempt, because none is possible before `seconds` are over.

    It is driven then, or up to two first pauses later. If the order waits for the same reason
    already, its history does not repeat it.
    """
    known = (order.error_code, order.error_message) == (code, message)
    due_in = timedelta(seconds=seconds + 2 * retry.first_seconds * jitter)
    return Decision(order.status, DELAYED, code, message, due_in, emits_event=not known)


def short_of_stock(
    order: Order, shortages: str, stock_wait: StockWait, now: datetime, *, asked: bool
) -> Decision:
    """Decide on insufficient stock by the order's own choice.

    The order fails at once, waits for its customer, or waits for stock. The start of the wait is
    published once. During the wait, the history keeps only runs requested by the customer or by
    staff (`asked`).
    """
    message = "Insufficient stock"
    if order.on_shortage == REJECT:
        return failed(InsufficientStock, message, shortages)
    if order.backordered:
        held_until = order.created_at + stock_wait.backorder
        due_in = min(stock_wait.look, held_until - now)
    else:
        kept = None if asked or not order.held else order.held_until
        held_until = kept or now + stock_wait.hold
        due_in = held_until - now
    event = STILL_HELD if order.held else ORDER_HELD
    return Decision(
        OrderStatus.PENDING,
        event,
        InsufficientStock.code,
        message,
        max(due_in, timedelta(0)),
        shortages,
        emits_event=asked or not order.held,
        held_until=held_until,
    )
