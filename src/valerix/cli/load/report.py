"""The final report: figures, and every order that did not go smoothly, with the reason."""

from collections import Counter
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from valerix.cli.load.placed import Placed
from valerix.cli.load.tally import ERROR, Histogram
from valerix.cli.output import id_text, status_text, table
from valerix.client.models import OrderEvent, Step
from valerix.contracts.states import OrderStatus

LATE_SECONDS: Final = 1.0
SUCCEEDED: Final = frozenset(OrderStatus) - {OrderStatus.PENDING, OrderStatus.FAILED}
"""Statuses that an order may have later if it was answered 200 or 201."""

UNJUSTIFIED: Final = frozenset({400, 401, 403, 404, 413, 415})
"""Statuses that are always wrong: every request is a valid order of a customer with permission."""


class Affected(msgspec.Struct, frozen=True, rename="camel"):
    """An order that did not go through smoothly.

    `effects`: late, pending, retried, declined, short of stock, failed, unanswered, unfinished.
    """

    order_id: str | None
    customer_id: str
    idempotency_key: str
    effects: list[str]
    reasons: list[str]
    status: str
    """Status at the end; `unknown` if it could not be read."""
    answered_ms: float | None
    sends: int
    step_attempts: int
    """Largest number of attempts of any step of the order."""


class LatencySummary(msgspec.Struct, frozen=True, rename="camel"):
    """Percentiles of a histogram."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    error: float
    """Largest relative error of the percentiles."""

    @classmethod
    def of(cls, histogram: Histogram) -> "LatencySummary":
        p50, p95, p99 = (_ms(histogram.quantile(part)) for part in (0.5, 0.95, 0.99))
        return cls(histogram.count, p50, p95, p99, _ms(histogram.max), round(ERROR, 4))


class LoadReport(msgspec.Struct, frozen=True, rename="camel"):
    """Document of `load --json`."""

    ok: bool
    """Whether every order has a definite answer and was examined, and all guarantees held."""
    interrupted: bool
    seed: int
    seconds: float
    """Time spent sending."""
    orders: int
    orders_per_second: float
    answers: dict[str, int]
    """Answers to the attempts to place orders."""
    followed: dict[str, int]
    """Answers to later requests for the outcome of pending orders."""
    reads: dict[str, int]
    """Answers to reads."""
    order_latency: LatencySummary
    """From the moment an order was due to its first answer."""
    read_latency: LatencySummary
    lag: LatencySummary
    """From the moment an order was due until it was sent: the delay of this program itself."""
    client_cpu_seconds: float
    duplicates: int
    restocked: int
    affected: list[Affected]
    unfinished: int
    unexamined: int
    violations: list[str]


def judge(placed: Placed, events: list[OrderEvent] | None) -> Affected | None:
    """Return how the order was affected; None if it went through smoothly.

    `events`: the order's timeline; None if it could not be read.
    """
    steps = [step for event in events or [] for step in event.steps]
    attempts = max(
        [0, *Counter(step.name for step in steps).values(), *(step.attempt for step in steps)]
    )
    effects = _effects(
        placed, again=attempts > 1 or any(_is_delay(event) for event in events or [])
    )
    if not effects:
        return None
    reasons = placed.reasons + _troubles(placed, events or [], steps)
    if not reasons and events and steps:
        reasons = [_longest(events[0], steps)]
    return Affected(
        placed.order_id,
        placed.customer_id,
        placed.key,
        effects,
        reasons,
        events[-1].status if events else "unknown",
        None if placed.answered_seconds is None else _ms(placed.answered_seconds),
        placed.sends,
        attempts,
    )


def _effects(placed: Placed, *, again: bool) -> list[str]:
    refused = placed.status is not None and placed.status >= 400
    by_code = {"payment_declined": "declined", "insufficient_stock": "short of stock"}
    found = {
        "unanswered": placed.answered_seconds is None,
        "late": (placed.answered_seconds or 0) > LATE_SECONDS,
        "pending": placed.pending,
        "retried": placed.sends > 1 or again,
        by_code.get(placed.code, "failed"): refused,
        "unfinished": placed.answered_seconds is not None and placed.status is None,
    }
    return [effect for effect, is_so in found.items() if is_so]


def _is_delay(event: OrderEvent) -> bool:
    return event.type == "order.delayed"


def _troubles(placed: Placed, events: list[OrderEvent], steps: list[Step]) -> list[str]:
    """Return delays and repeated steps in the timeline, except reasons that an answer gave."""
    last = {step.name: step for step in steps}
    delays = [event.error_message or "delayed" for event in events if _is_delay(event)]
    repeated = [
        f"{step.name}: {step.detail or step.outcome}"
        for step in steps
        if step is not last[step.name]
    ]
    reasons = "; ".join([*placed.reasons, *delays])
    new = [text for text in repeated if text.partition(": ")[2] not in reasons]
    return list(dict.fromkeys([*(delay for delay in delays if delay not in placed.reasons), *new]))


def _longest(created: OrderEvent, steps: list[Step]) -> str:
    waited = (steps[0].started_at - created.occurred_at).total_seconds() * 1000
    slowest = max(steps, key=lambda step: step.duration_ms)
    if waited > slowest.duration_ms:
        return f"it waited {waited:.0f} ms behind other orders before its first step"
    return f"{slowest.name} took {slowest.duration_ms:.0f} ms"


def contradiction(placed: Placed, events: list[OrderEvent] | None) -> str | None:
    """Return what is wrong with an answer, by itself or compared with the order's final status."""
    if placed.status in UNJUSTIFIED:
        return f"The order under key {placed.key} was refused with {placed.status} {placed.code}"
    if not events:
        return None
    status = events[-1].status
    if placed.status in (200, 201) and status not in SUCCEEDED:
        return f"Order {placed.order_id} was answered {placed.status} and is {status}"
    if placed.status == 402 and status != OrderStatus.FAILED:
        return f"Order {placed.order_id} was declined and is {status}"
    return None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


# --- output for people


def show(out: Console, report: LoadReport) -> None:
    out.print(_latency_table(report))
    out.print(
        "latency   of orders from when they were due to their first answer; "
        f"percentiles within {ERROR:.1%}"
    )
    for name, answers in (
        ("answers", report.answers),
        ("later", report.followed),
        ("reads", report.reads),
    ):
        if answers:
            out.print(
                f"{name:<9}",
                ", ".join(f"{count} x {kind}" for kind, count in sorted(answers.items())),
            )
    out.print(
        f"repeated  {report.duplicates} orders sent again under their key; "
        "every replay compared byte for byte"
    )
    out.print(f"restocked {report.restocked} units")
    out.print(
        f"client    {report.client_cpu_seconds:.1f} s CPU; "
        f"orders left {report.lag.p99_ms} ms late at p99"
    )
    out.print()
    out.print(
        _affected_table(report.affected) if report.affected else "Every order simply went through."
    )
    for violation in report.violations:
        out.print(f"VIOLATION {violation}", style="bold red", soft_wrap=True)
    out.print(_verdict(report), style="green" if report.ok else "bold red", soft_wrap=True)


def _latency_table(report: LoadReport) -> Table:
    figures = ("count", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms")
    made = table(f"{report.seconds:.1f} s, seed {report.seed}", *figures, right=figures)
    for name, latency in (("orders", report.order_latency), ("reads", report.read_latency)):
        percentiles = (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms)
        rate = latency.count / report.seconds if report.seconds else 0.0
        made.add_row(
            name, str(latency.count), f"{rate:.1f}", *(f"{value:.1f}" for value in percentiles)
        )
    return made


def _affected_table(affected: list[Affected]) -> Table:
    made = table("order", "now", "effects", "answered", "reason", right=("answered",))
    for order in affected:
        answered = "never" if order.answered_ms is None else f"{order.answered_ms:.0f} ms"
        name = id_text(order.order_id) if order.order_id else f"key {order.idempotency_key}"
        made.add_row(
            name,
            status_text(order.status),
            ", ".join(order.effects),
            answered,
            "; ".join(order.reasons),
        )
    return made


def _verdict(report: LoadReport) -> str:
    through = report.orders - len(report.affected)
    text = f"{report.orders} orders: {through} simply went through, {len(report.affected)} affected"
    effects = Counter(effect for order in report.affected for effect in order.effects)
    counts = ", ".join(f"{count} {effect}" for effect, count in effects.items())
    text += f" ({counts})." if counts else "."
    if report.ok:
        return f"{text} Every order has its definite answer."
    faults = {
        "without a definite answer": report.unfinished,
        "could not be looked at": report.unexamined,
        "violations": len(report.violations),
    }
    return (
        text + " " + ", ".join(f"{count} {what}" for what, count in faults.items() if count) + "."
    )
