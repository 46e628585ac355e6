"""Medians, goals, limits and comparisons, computed from runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import asyncpg
import msgspec
import pytest

from valerix.bench import benchmark, comparison, goals, limits, results, stack, turns
from valerix.bench.results import Costs, Environment, LatencyQuantiles, Results, RunResult, Spread
from valerix.launcher.errors import LauncherError
from valerix.launcher.programs import Plan

HERE = Environment(2, "a processor", 1024, "6.0", "3.11", "PostgreSQL 18", "ext4", 0.2, 0.1, {})


def run(
    cell: str, per_second: float, ratio: float | None, p99: float = 10.0, cpu: float = 100.0
) -> RunResult:
    costs = Costs(
        {"orders": cpu, "postgres: orders": cpu},
        {"orders": 2.0},
        {},
        {},
        1000,
        0,
        0.1,
        {"orders: place": 8.0},
    )
    return RunResult(
        cell,
        1,
        per_second,
        ratio,
        LatencyQuantiles(1, 2, p99, 20),
        {"201": 100},
        costs=costs,
        exhausted="the disk",
    )


def made(*runs: RunResult) -> Results:
    found = Results(datetime.now(UTC), "valerix bench", HERE, {}, 0, runs=list(runs))
    found.cells = results.summarise(found.runs)
    found.turns = turns.summarise(found.runs)
    return found


def test_a_cell_is_the_median_of_its_runs_and_counts_all_their_answers() -> None:
    cells = made(
        run("door/32/uniform", 100, 0.5),
        run("door/32/uniform", 300, 0.9),
        run("door/32/uniform", 120, 0.6),
    ).cells
    (cell,) = cells
    assert (cell.runs, cell.orders_per_second, cell.ratio) == (3, 120, 0.6)
    assert cell.statuses == {"201": 300}
    assert cell.costs is not None
    assert cell.costs.total_us == 200


def turn(
    number: int, orders: int, before: float, after: float, *, drain: float = 10.0, backlog: int = 0
) -> RunResult:
    """Return a turn of 30 s with its ceilings."""
    measured = msgspec.structs.replace(
        run(turns.CELL, orders / 30, None),
        round=number,
        orders=orders,
        load_seconds=30.0,
        drain_seconds=drain,
        backlog=backlog,
        returning=0.8,
    )
    return turns.between_ceilings(measured, before, after)


def test_a_turn_is_over_the_mean_of_the_ceilings_around_it() -> None:
    measured = turn(1, 24_000, 900, 1100)
    assert (measured.ratio, measured.sustained_per_second, measured.sustained_ratio) == (
        0.8,
        600,
        0.6,
    )
    assert measured.ceilings == (900, 1100)


def test_a_turn_whose_drain_did_not_end_has_no_sustained_figure() -> None:
    measured = turn(1, 24_000, 1000, 1000, backlog=7)
    assert (measured.ratio, measured.sustained_per_second, measured.sustained_ratio) == (
        0.8,
        None,
        None,
    )
    assert "sustainedRatio" not in turns.summarise([measured])


def test_the_headline_is_the_ratio_through_the_gateway_at_128_connections() -> None:
    found = made(
        run("ceiling/32/uniform", 1000, 1.0),
        run("gateway/128/uniform", 700, 0.7),
        *(
            turn(number, orders, 1000, 1000)
            for number, orders in ((1, 20_000), (2, 28_000), (3, 24_000))
        ),
    )
    assert goals.sustained_ratio(found) == 0.6
    assert goals.ceiling_ratio(found) == 0.8
    assert found.turns["sustainedRatio"] == Spread(0.6, 0.5, 0.7)
    assert [goal.what.split()[0] for goal in goals.judge(found)[:2]] == ["sustained", "burst"]
    without = made(run("gateway/128/uniform", 700, 0.7))
    assert goals.sustained_ratio(without) is None
    assert goals.ceiling_ratio(without) is None


def test_all_turns_are_shown_with_medians_and_ranges() -> None:
    runs = [
        turn(1, 20_000, 1000, 1000),
        turn(2, 24_000, 1000, 1000, backlog=1),
        turn(3, 28_000, 1000, 1000),
    ]
    headings, *rows = turns.table(runs, turns.summarise(runs))
    column = headings.index("sustained ratio")
    assert [(row[0], row[column]) for row in rows] == [
        ("1", "0.50"),
        ("2", "-"),
        ("3", "0.70"),
        ("median", "0.60"),
        ("range", "0.50-0.70"),
    ]
    assert rows[-1][headings.index("load s")] == "30"


def test_goals_are_met_missed_or_open() -> None:
    found = made(
        turn(1, 38_400, 1000, 1000),
        run("gateway/128/uniform", 1200, 1.2),
        run("door/128/uniform", 1000, 1.0),
        run("node-classic/128/uniform", 200, None),
    )
    found.idle_ms = {"orders": 12.0, "gateway": 20.0}
    verdicts = {goal.what: goal.met for goal in goals.judge(found)}
    assert verdicts["sustained orders/s over the ceiling: gateway, 128 connections"] is True
    assert verdicts["burst orders/s over the ceiling: gateway, 128 connections"] is True
    assert verdicts["the same at the orders service's own port, 128 connections"] is False
    assert verdicts["the same through the gateway, 32 connections"] is None
    assert verdicts["times Node classic: gateway, 128 connections"] is True
    assert verdicts["idle work of the stack in % of a core"] is False


@pytest.mark.parametrize(
    ("machine", "busy", "waits", "connections", "expected"),
    [
        (1.9, {"orders": 0.95, "psp": 0.3}, {}, 128, "the one core of orders"),
        (
            1.95,
            {"orders": 0.6, "gateway": 0.7},
            {},
            128,
            "the machine's 2 cores (most: gateway, 0.70)",
        ),
        (0.9, {"orders": 0.4}, {"orders: IO WalSync": 3.0}, 128, "the disk"),
        (0.9, {"orders": 0.4}, {"inventory: Lock transactionid": 5.0}, 128, "locks"),
        (0.5, {"orders": 0.2}, {}, 1, "nothing: 1 connections wait"),
        (0.9, {"orders": 0.4}, {}, 128, "nothing: 0.90 of 2 cores"),
    ],
)
def test_it_says_what_was_exhausted(
    machine: float, busy: dict[str, float], waits: dict[str, float], connections: int, expected: str
) -> None:
    assert limits.exhausted(2, machine, busy, waits, connections).startswith(expected)


def test_two_benchmarks_are_compared_cell_by_cell() -> None:
    before, now = (
        made(run("door/32/uniform", 100, 0.5)),
        made(run("door/32/uniform", 300, 0.6), run("door/8/uniform", 1, 1)),
    )
    changes = {change.what: round(change.share, 2) for change in comparison.compare(now, before)}
    assert changes == {"ratio": 0.2, "CPU µs/order": 0.0, "p99 ms": 0.0}


def test_sustained_ratios_are_compared() -> None:
    before, now = made(turn(1, 20_000, 1000, 1000)), made(turn(1, 25_000, 1000, 1000))
    changes = {change.what: round(change.share, 2) for change in comparison.compare(now, before)}
    assert changes == {"sustained ratio": 0.25, "ratio": 0.25, "CPU µs/order": 0.0, "p99 ms": 0.0}


def test_results_of_a_version_without_turns_are_compared_with_their_short_runs() -> None:
    before = results.read(Path(__file__).with_name("results-without-turns.json"))
    changes = {
        change.what: change.before
        for change in comparison.compare(made(turn(1, 24_000, 1000, 1000)), before)
    }
    short = before.find("gateway/128/uniform")
    assert short is not None
    assert changes["ratio"] == short.ratio
    assert "sustained ratio" not in changes


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = made(run("door/32/uniform", 100, 0.5), turn(1, 24_000, 900, 1100))
    results.write(found, tmp_path / "results.json")
    assert results.read(tmp_path / "results.json") == found
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(LauncherError, match="no results of this version"):
        results.read(tmp_path / "other.json")


async def test_an_audit_that_cannot_look_leaves_what_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def inspect(_: object) -> None:
        raise asyncpg.DiskFullError("No space left on device")

    monkeypatch.setattr(stack, "inspect", inspect)
    monkeypatch.setattr(stack, "of_stack", lambda _: None)
    monkeypatch.setattr(stack.BenchStack, "state", None)
    found, lines = made(run("door/32/uniform", 100, 0.5)), list[str]()
    with benchmark.reported(found, lines.append):
        found.audit = await stack.BenchStack(cast("Plan", None)).audit()
    assert found.cells
    assert not found.complete
    assert "No space left" in found.notes[0]
    assert lines == [found.notes[0].lower()[0] + found.notes[0][1:]]
