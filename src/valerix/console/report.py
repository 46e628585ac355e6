"""The current state of the platform as every page shows it: made once per tick for all viewers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from valerix.chassis.http.health import CheckResult
from valerix.console import health
from valerix.console.faults import ShownFault
from valerix.console.gather import Copy, Gathering, OrderCounts
from valerix.console.health import ActiveFault, OrderingHealth, PlacingAnswers
from valerix.console.history import TICK_SECONDS, Ring, point, times
from valerix.console.readings import COUNT, ERRORS, PLACING, average_ms, no_traffic, percentile_ms
from valerix.contracts.states import OrderStatus

PRESENT_SECONDS: Final = 10
"""Window of the map's current values: long enough for a rate, short enough to see a change."""
MINUTE, FIVE_MINUTES = 60, 300
CLOSED, OPEN, HALF_OPEN = 0, 1, 2
STATES: Final = {CLOSED: "closed", OPEN: health.OPEN, HALF_OPEN: health.HALF_OPEN}
"""Meaning of the values of `circuit_breaker_state`."""
SEVERITY: Final = (OPEN, HALF_OPEN, CLOSED)


class Figure(msgspec.Struct, frozen=True):
    """A number and its value one window before; null when nothing was read."""

    now: float | None
    before: float | None


class SuccessRate(Figure, frozen=True):
    """The share of orders confirmed, with both numbers."""

    confirmed: float
    placed: float


class OrdersReport(msgspec.Struct, frozen=True, rename="camel"):
    """The placing of orders, and products low in stock."""

    average_ms: float | None
    """Average response time of placing an order, over the answer window (30 s).

    Null without orders.
    """
    slow: bool
    per_minute: Figure
    success_rate: SuccessRate
    p95_ms: Figure
    low_stock: Figure
    tick: dict[str, float | None] | None
    """Placed orders of the last tick, for charts; null is a gap."""


class CopyReport(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    name: str
    status: str
    checks: dict[str, CheckResult] = {}
    memory_bytes: float | None = None
    started_at: float | None = None


class ProcessReport(msgspec.Struct, frozen=True, rename="camel"):
    """One process with its copies.

    `status`: `ok`, `degraded` when some copies are not, `down`, or `unknown`.
    """

    name: str
    status: str
    now: dict[str, float | None] | None
    """Over the last PRESENT_SECONDS."""
    tick: dict[str, float | None] | None
    """In the last tick alone, for charts; null is a gap."""
    copies: list[CopyReport]


class EdgeReport(msgspec.Struct, frozen=True, rename="camel"):
    """One service calling another.

    `state` of the worst breaker of all copies; null without a breaker.
    """

    source: str
    target: str
    state: str | None


class PlatformReport(msgspec.Struct, frozen=True, rename="camel"):
    """One message of the live feed. `time`: end of the tick it covers."""

    time: datetime
    health: OrderingHealth
    orders: OrdersReport
    processes: list[ProcessReport]
    edges: list[EdgeReport]
    chaos: dict[str, list[ShownFault]]


def report(
    gathering: Gathering, calls: Sequence[tuple[str, str]], answer_window_seconds: float
) -> PlatformReport:
    """The current report.

    `calls`: caller and called. `answer_window_seconds`: the time that `average_ms` covers, in whole
    ticks.
    """
    tick = gathering.tick
    placing = gathering.rings[PLACING].window(tick, max(TICK_SECONDS, int(answer_window_seconds)))
    names = dict.fromkeys(copy.target.process for copy in gathering.copies)
    processes = [_process(name, gathering.of(name), gathering.rings[name], tick) for name in names]
    edges = list(_edges(gathering.copies, calls))
    faults = gathering.faults.active()
    return PlatformReport(
        time=datetime.fromtimestamp((tick + 1) * TICK_SECONDS, UTC),
        health=health.judge(
            _answers(placing, answer_window_seconds),
            {process.name: process.status for process in processes},
            {(edge.source, edge.target): edge.state for edge in edges},
            [
                ActiveFault(fault.service, fault.label, fault.cut_off_from, fault.strikes)
                for fault in faults
            ],
        ),
        orders=_orders(
            gathering.rings[PLACING],
            list(gathering.counts),
            tick,
            average_ms(placing or no_traffic()),
        ),
        processes=processes,
        edges=edges,
        chaos={"active": faults},
    )


class Span(msgspec.Struct, frozen=True, rename="camel"):
    """The last minutes as columns of equal length, by process; `placing` is the placing of orders.

    A gap is null.
    """

    minutes: int
    times: list[int]
    """Unix seconds."""
    series: dict[str, dict[str, list[float | None]]]
    chaos: list[ShownFault]


def span(gathering: Gathering, minutes: int) -> Span:
    """The last `minutes`, and the faults in them."""
    columns = {
        name: ring.columns(gathering.tick, minutes) for name, ring in gathering.rings.items()
    }
    return Span(minutes, times(gathering.tick, minutes), columns, gathering.faults.recent())


# --- orders


def _answers(placing: Sequence[float] | None, seconds: float) -> PlacingAnswers:
    traffic = placing or no_traffic()
    return PlacingAnswers(seconds, average_ms(traffic), traffic[COUNT], traffic[ERRORS])


def _orders(
    placing: Ring, counts: Sequence[OrderCounts], tick: int, average: float | None
) -> OrdersReport:
    return OrdersReport(
        average_ms=average,
        slow=health.is_slow(average),
        per_minute=Figure(*(_count(placing, tick - back) for back in (0, MINUTE // TICK_SECONDS))),
        success_rate=_success(counts, tick),
        p95_ms=Figure(*(_p95(placing, tick - back) for back in (0, MINUTE // TICK_SECONDS))),
        low_stock=_low_stock(counts, tick),
        tick=point(last) if (last := placing.window(tick, TICK_SECONDS)) else None,
    )


def _count(placing: Ring, tick: int) -> float | None:
    row = placing.window(tick, MINUTE)
    return row[COUNT] if row else None


def _p95(placing: Ring, tick: int) -> float | None:
    row = placing.window(tick, MINUTE)
    return percentile_ms(row, 0.95) if row else None


def _success(counts: Sequence[OrderCounts], tick: int) -> SuccessRate:
    """Share of placed orders that were confirmed at once.

    `now`: of the last five minutes; `before`: of the five minutes before.
    """
    now, middle, start = (
        _at(counts, tick - back * FIVE_MINUTES // TICK_SECONDS) for back in (0, 1, 2)
    )
    placed, confirmed = _between(middle, now)
    return SuccessRate(
        _share(placed, confirmed), _share(*_between(start, middle)), confirmed, placed
    )


def _between(before: OrderCounts | None, now: OrderCounts | None) -> tuple[float, float]:
    """Orders placed, and orders confirmed at once; zero when the counters were reset."""
    if now is None or before is None or now is before:
        return 0.0, 0.0
    placed = sum(now.placed.values()) - sum(before.placed.values())
    confirmed = now.placed.get(OrderStatus.CONFIRMED, 0.0) - before.placed.get(
        OrderStatus.CONFIRMED, 0.0
    )
    return (placed, min(placed, confirmed)) if placed > 0 and confirmed >= 0 else (0.0, 0.0)


def _share(placed: float, confirmed: float) -> float | None:
    return confirmed / placed if placed else None


def _low_stock(counts: Sequence[OrderCounts], tick: int) -> Figure:
    now, before = _at(counts, tick), _at(counts, tick - FIVE_MINUTES // TICK_SECONDS)
    return Figure(now.low_stock if now else None, before.low_stock if before else None)


def _at(counts: Sequence[OrderCounts], tick: int) -> OrderCounts | None:
    """The counts of a tick, or the first counts after it."""
    return next((each for each in counts if each.tick >= tick), None)


# --- processes


def _process(name: str, copies: Sequence[Copy], ring: Ring, tick: int) -> ProcessReport:
    recent, last = ring.window(tick, PRESENT_SECONDS), ring.window(tick, TICK_SECONDS)
    return ProcessReport(
        name,
        _status(copies),
        point(recent) if recent else None,
        point(last) if last else None,
        [_copy(copy) for copy in copies],
    )


def _status(copies: Sequence[Copy]) -> str:
    states = [copy.status for copy in copies]
    if all(state == "unknown" for state in states):
        return health.UNKNOWN
    if "ok" not in states:
        return health.DOWN
    impaired = any(check.status != "ok" for copy in copies for check in copy.checks.values())
    return health.DEGRADED if impaired or states.count("ok") < len(states) else "ok"


def _copy(copy: Copy) -> CopyReport:
    values = copy.reading.values if copy.reading and copy.status != "down" else {}
    return CopyReport(
        copy.target.name,
        copy.status,
        copy.checks,
        values.get("process_resident_memory_bytes"),
        values.get("process_start_time_seconds"),
    )


# --- calls between services


def _edges(copies: Sequence[Copy], calls: Sequence[tuple[str, str]]) -> Iterator[EdgeReport]:
    states_by_call: dict[tuple[str, str], set[int]] = {}
    for copy in copies:
        for target, state in (
            copy.reading.labeled["circuit_breaker_state"] if copy.reading else {}
        ).items():
            states_by_call.setdefault((copy.target.process, target), set()).add(int(state))
    for call in calls:
        states = states_by_call.get(call, set())
        worst = next((state for state in SEVERITY if state in states), None)
        yield EdgeReport(*call, None if worst is None else STATES[worst])
