"""Writes the report for people: Markdown, with plots in files beside it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from valerix.bench import plots, turns
from valerix.bench.load import ORDERS_EACH
from valerix.bench.results import (
    CEILING,
    GATEWAY,
    SERVICE_PORT,
    SUSTAINED,
    CellResult,
    Costs,
    Goal,
    Results,
)

REPORT, RESULTS = "report.md", "results.json"
MET: Final = {True: "met", False: "missed", None: ""}
ENOUGH_RUNS: Final = 5


def write(
    results: Results, folder: Path, profiles: Mapping[str, Sequence[tuple[str, float]]]
) -> Path:
    """Write `report.md` and its plots into `folder`; return the report's path."""
    drawn = _plots(results)
    for name, svg in drawn.items():
        (folder / name).write_text(svg)
    sections = [
        _head(results),
        _goals(results.goals),
        _turns(results),
        _idle(results),
        _cells(results),
    ]
    sections += [f"![]({name})" for name in drawn]
    sections += [
        _costs(results),
        _limits(results),
        _pages(results),
        _audit(results),
        _profiles(profiles),
        _notes(results),
    ]
    file = folder / REPORT
    file.write_text("\n\n".join(section for section in sections if section) + "\n")
    return file


def _head(results: Results) -> str:
    there = results.environment
    facts = {
        "command": f"`{results.command}`",
        "machine": f"{there.cores} cores, {there.processor}, {there.memory_mib} MiB; "
        f"Linux {there.kernel}",
        "disk": f"{there.file_system}, 8 KiB written and synced in {there.sync_ms:.2f} ms",
        "software": f"Python {there.python}, {there.postgres}",
        "busy before": f"load average {there.load_average:.2f}",
        "replicas": ", ".join(f"{name}={count}" for name, count in results.replicas.items())
        or "one of each",
        "orders in the tables before": f"{results.rows:,}",
        "settings": ", ".join(f"{name}={value}" for name, value in there.settings.items())
        or "defaults",
    }
    lines = [
        f"# Benchmark of {results.made_at:%Y-%m-%d %H:%M} UTC",
        "",
        _table(("", ""), facts.items()),
    ]
    return "\n".join(lines)


def _goals(goals: Sequence[Goal]) -> str:
    rows = [(goal.number, goal.what, goal.wanted, goal.measured, MET[goal.met]) for goal in goals]
    return "## Goals\n\n" + _table(("goal", "what", "wanted", "measured", ""), rows)


def _turns(results: Results) -> str:
    if not results.turns:
        return ""
    headings, *rows = turns.table(results.runs, results.turns)
    text = (
        f"Load through the gateway at {turns.CONNECTIONS} connections, then the drain,"
        " until every order has reached its end and all work that the orders caused is done."
        " *Sustained*: orders over the seconds of load and drain; *burst*: over those of the load."
        " Ratios are over the mean of the ceilings directly before and after the turn."
        f" Each customer orders {ORDERS_EACH} times, so {100 - 100 / ORDERS_EACH:.0f} % of the"
        " orders come from returning customers, and all their messages are sent."
    )
    return f"## Sustained turns\n\n{text}\n\n" + _table(headings, rows)


def _idle(results: Results) -> str:
    if not results.idle_ms:
        return ""
    cell = results.find(turns.CELL)
    costs = cell.costs if cell else None
    rows = [
        (
            name,
            f"{each:.1f}",
            f"{costs.idle_us.get(name, 0):,.0f}" if costs else turns.MISSING,
            f"{costs.cpu_us.get(name, 0):,.0f}" if costs else turns.MISSING,
        )
        for name, each in sorted(results.idle_ms.items(), key=lambda item: -item[1])
    ]
    total = (
        "all",
        f"{sum(results.idle_ms.values()):.1f}",
        f"{costs.total_idle_us:,.0f}" if costs else turns.MISSING,
        f"{costs.total_us:,.0f}" if costs else turns.MISSING,
    )
    text = (
        "Processor time of the stack without an order, measured after the warm-up,"
        " and its part of the cost per order in a sustained turn:"
        " the idle stack's time over load and drain, divided by the orders."
    )
    headings = ("process", "idle, ms per second", "idle work per order, µs", "CPU µs per order")
    return f"## Idle work\n\n{text}\n\n" + _table(headings, [total, *rows])


def _cells(results: Results) -> str:
    rows = [
        (
            cell.cell,
            str(cell.runs),
            "-" if cell.ratio is None else f"**{cell.ratio:.2f}**",
            f"{cell.orders_per_second:,.0f}",
            f"{cell.latency.p50:.1f}",
            f"{cell.latency.p99:.1f}",
            "-" if cell.costs is None else f"{cell.costs.total_us:,.0f}",
            f"{cell.drain_seconds:.1f}",
            _unusual(cell),
        )
        for cell in results.cells
    ]
    headings = (
        "cell",
        "runs",
        "ratio",
        "orders/s",
        "p50 ms",
        "p99 ms",
        "CPU µs/order",
        "drained after s",
        "unusual",
    )
    text = (
        "## Runs\n\nMedians. A cell is system/connections/pattern;"
        " *ratio* is over the last ceiling measured before it, for sustained turns as above."
        " *CPU* covers every process but the load generator,"
        " until all work that the orders caused is done.\n\n"
    )
    return text + _table(headings, rows)


def _unusual(cell: CellResult) -> str:
    answers = [
        f"{count} times {status}"
        for status, count in cell.statuses.items()
        if status not in ("200", "201")
    ]
    lost = [f"{cell.lost} without an answer"] if cell.lost else []
    left = [f"{cell.backlog} orders, events and messages left"] if cell.backlog else []
    return ", ".join([*answers, *lost, *left])


def _costs(results: Results) -> str:
    cells = [(cell.cell, cell.costs) for cell in results.cells if cell.costs is not None]
    parts = [_by_name("CPU µs per order, by process", cells, lambda costs: costs.cpu_us, "{:,.0f}")]
    ours = [(name, costs) for name, costs in cells if name.startswith((GATEWAY, SERVICE_PORT))]
    if ours:
        parts += [
            _by_name(
                "Round trips to PostgreSQL per order, by database",
                ours,
                lambda costs: costs.statements,
                "{:.2f}",
            ),
            _by_name("Commits per order, by database", ours, lambda costs: costs.commits, "{:.2f}"),
            _by_name(
                "HTTP requests answered per order, by service",
                ours,
                lambda costs: costs.requests,
                "{:.2f}",
            ),
            _by_name("Items per batch", ours, lambda costs: costs.batches, "{:.1f}"),
            "### Log\n\n"
            + _table(
                ("cell", "bytes per order", "whole pages", "syncs per order"),
                [
                    (
                        name,
                        f"{costs.wal_bytes:,.0f}",
                        f"{costs.page_images:.2f}",
                        f"{costs.fsyncs:.3f}",
                    )
                    for name, costs in ours
                ],
            ),
        ]
    return "## What an order costs\n\n" + "\n\n".join(parts)


def _by_name(
    title: str,
    cells: Sequence[tuple[str, Costs]],
    of: Callable[[Costs], Mapping[str, float]],
    shape: str,
) -> str:
    """Return a table with a row for each name, largest first, and a column for each cell."""
    totals: dict[str, float] = {}
    for _, costs in cells:
        for name, value in of(costs).items():
            totals[name] = totals.get(name, 0.0) + value
    names = sorted(totals, key=lambda name: -totals[name])
    rows = [
        (name, *(shape.format(of(costs).get(name, 0.0)) for _, costs in cells)) for name in names
    ]
    return f"### {title}\n\n" + _table(("", *(cell for cell, _ in cells)), rows)


def _limits(results: Results) -> str:
    rows = []
    for cell in results.cells:
        busiest = sorted(cell.busy_cores.items(), key=lambda item: -item[1])[:5]
        waits = sorted(cell.waits.items(), key=lambda item: -item[1])[:4]
        rows.append(
            (
                cell.cell,
                cell.exhausted,
                f"{cell.machine_cores:.2f}",
                f"{max(cell.machine_cores - sum(cell.busy_cores.values()), 0):.2f}",
                ", ".join(f"{name} {cores:.2f}" for name, cores in busiest),
                ", ".join(f"{reason} {count:.1f}" for reason, count in waits),
            )
        )
    headings = (
        "cell",
        "exhausted",
        "busy cores",
        "of it unaccounted",
        "busiest",
        "sessions at work, on average",
    )
    return "## Where the limit is\n\n" + _table(headings, rows)


def _pages(results: Results) -> str:
    if not results.pages:
        return ""
    rows = [
        (page.name, str(page.rows), f"{page.p50:.1f}", f"{page.p99:.1f}") for page in results.pages
    ]
    return "## Lists and searches\n\n" + _table(("page", "rows", "p50 ms", "p99 ms"), rows)


def _audit(results: Results) -> str:
    if results.audit is None:
        return ""
    rows = [
        (v.says, str(v.value), f"{v.checked:,}", "" if v.holds else "VIOLATED")
        for v in results.audit.verdicts
    ]
    verdict = "sound" if results.audit.sound else "**NOT sound**"
    return f"## Audit: {verdict}\n\n" + _table(("rule", "value", "checked", ""), rows)


def _profiles(profiles: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    if not profiles:
        return ""
    parts = [
        f"### {name}\n\n"
        + _table(
            ("own time", "where"), [(f"{share:.1%}", f"`{where}`") for where, share in hottest]
        )
        for name, hottest in profiles.items()
    ]
    text = (
        "Folded stacks are in `profile/`."
        " Statements are ranked by their time from begin to end, waiting included."
    )
    return f"## Profiles\n\n{text}\n\n" + "\n\n".join(parts)


def _notes(results: Results) -> str:
    return (
        "## Notes\n\n" + "\n".join(f"- {note}" for note in results.notes) if results.notes else ""
    )


def _plots(results: Results) -> dict[str, str]:
    drawn = {}
    series: dict[str, list[tuple[float, float]]] = {}
    for cell in results.cells:
        system, connections, pattern = cell.cell.split("/")
        if (
            cell.ratio is not None
            and system in (GATEWAY, SERVICE_PORT)
            and pattern not in ("paced", SUSTAINED)
        ):
            series.setdefault(f"{system} {pattern}", []).append((float(connections), cell.ratio))
    if series:
        drawn["ratio.svg"] = plots.lines(
            "Orders/s over the ceiling", "connections", series, mark=1.0
        )
    columns = {
        cell.cell: cell.costs.cpu_us
        for cell in results.cells
        if cell.costs is not None and (cell.cell.startswith(CEILING) or "/128/" in cell.cell)
    }
    if columns:
        drawn["cost.svg"] = plots.stacks("CPU µs per order at 128 connections", "", columns)
    return drawn


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
