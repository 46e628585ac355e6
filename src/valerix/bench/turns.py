"""Sustained turns: a long load with all its work, over the ceilings directly before and after."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, median
from typing import Final, NamedTuple

import msgspec

from valerix.bench.results import GATEWAY, SUSTAINED, RunResult, Spread, name_of

CONNECTIONS: Final = 128
LOAD_SECONDS: Final = 30.0
"""Minimum length of a load: a shorter one ends before messages and fulfilment fall behind."""
CELL: Final = name_of(GATEWAY, CONNECTIONS, SUSTAINED)
MISSING: Final = "-"


class TurnFigure(NamedTuple):
    """A figure of a turn. `shape`: its format."""

    heading: str
    value: Callable[[RunResult], float | None]
    shape: str


def _ceiling(place: int) -> Callable[[RunResult], float | None]:
    return lambda run: run.ceilings[place] if run.ceilings else None


FIGURES: Final = {
    "sustainedRatio": TurnFigure("sustained ratio", lambda run: run.sustained_ratio, "{:.2f}"),
    "sustainedPerSecond": TurnFigure("orders/s", lambda run: run.sustained_per_second, "{:,.0f}"),
    "burstRatio": TurnFigure("burst ratio", lambda run: run.ratio, "{:.2f}"),
    "burstPerSecond": TurnFigure("orders/s", lambda run: run.orders_per_second, "{:,.0f}"),
    "ceilingBefore": TurnFigure("ceiling before", _ceiling(0), "{:,.0f}"),
    "ceilingAfter": TurnFigure("after", _ceiling(1), "{:,.0f}"),
    "orders": TurnFigure("orders", lambda run: run.orders, "{:,.0f}"),
    "loadSeconds": TurnFigure("load s", lambda run: run.load_seconds, "{:.0f}"),
    "drainSeconds": TurnFigure("drain s", lambda run: run.drain_seconds, "{:.1f}"),
    "p50": TurnFigure("p50 ms", lambda run: run.latency.p50, "{:,.0f}"),
    "p99": TurnFigure("p99 ms", lambda run: run.latency.p99, "{:,.0f}"),
    "cpuUs": TurnFigure(
        "CPU µs/order", lambda run: run.costs.total_us if run.costs else None, "{:,.0f}"
    ),
    "idleUs": TurnFigure(
        "of it idle work", lambda run: run.costs.total_idle_us if run.costs else None, "{:,.0f}"
    ),
    "returning": TurnFigure("from returning", lambda run: run.returning, "{:.1%}"),
}
"""Figures by their name in the results, in the order of the table."""


def between_ceilings(run: RunResult, before: float, after: float) -> RunResult:
    """Return the turn with its ratios. `before`, `after`: orders/s of the ceilings around it."""
    ceiling = mean((before, after))
    sustained = None if run.backlog else run.orders / (run.load_seconds + run.drain_seconds)
    return msgspec.structs.replace(
        run,
        ratio=run.orders_per_second / ceiling,
        ceilings=(before, after),
        sustained_per_second=sustained,
        sustained_ratio=None if sustained is None else sustained / ceiling,
    )


def summarise(runs: Sequence[RunResult]) -> dict[str, Spread]:
    """Return the spread of every figure over all turns that have it, by name."""
    turns = [run for run in runs if run.cell == CELL]
    values = {
        name: [v for run in turns if (v := figure.value(run)) is not None]
        for name, figure in FIGURES.items()
    }
    return {
        name: Spread(median(found), min(found), max(found))
        for name, found in values.items()
        if found
    }


def table(runs: Sequence[RunResult], spreads: dict[str, Spread]) -> list[list[str]]:
    """Return the rows of a table: headings, a row for each turn, medians, ranges."""
    headings = ["turn", *(figure.heading for figure in FIGURES.values())]
    rows = [[str(run.round), *_row(run)] for run in runs if run.cell == CELL]
    found = [(figure.shape, spreads.get(name)) for name, figure in FIGURES.items()]
    medians = [shape.format(spread.median) if spread else MISSING for shape, spread in found]
    ranges = [
        _range(shape.format(spread.low), shape.format(spread.high)) if spread else MISSING
        for shape, spread in found
    ]
    return [headings, *rows, ["median", *medians], ["range", *ranges]]


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low}-{high}"


def _row(run: RunResult) -> list[str]:
    values = ((figure.shape, figure.value(run)) for figure in FIGURES.values())
    return [MISSING if value is None else shape.format(value) for shape, value in values]


def describe_idle(idle_ms: Mapping[str, float]) -> str:
    """Return one line of text. `idle_ms`: processor time per second by process."""
    largest = ", ".join(
        f"{name} {each:.1f}" for name, each in sorted(idle_ms.items(), key=lambda item: -item[1])
    )
    return f"idle work: {sum(idle_ms.values()):.0f} ms of processor time per second ({largest})"
