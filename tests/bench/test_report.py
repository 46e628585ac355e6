"""The report and its plots are valid for other programs."""

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec

from tests.bench.test_results import made, run, turn
from valerix.bench import goals, plots, profiling, report
from valerix.bench.profiling import NOTHING, Statement


def test_a_report_names_every_cell_and_shows_its_plots(tmp_path: Path) -> None:
    found = made(
        run("ceiling/32/uniform", 1000, 1.0),
        run("gateway/128/uniform", 700, 0.7),
        run("door/128/hot", 900, 0.9),
    )
    found.goals = goals.judge(found)
    file = report.write(found, tmp_path, {"orders": [("run (saga.py:60)", 0.25)]})
    text = file.read_text()
    for cell in (
        "ceiling/32/uniform",
        "gateway/128/uniform",
        "door/128/hot",
        "**0.70**",
        "the disk",
        "`run (saga.py:60)`",
    ):
        assert cell in text
    for plot in ("ratio.svg", "cost.svg"):
        assert f"![]({plot})" in text
        ET.fromstring((tmp_path / plot).read_text())  # noqa: S314 - our own


def test_a_report_leads_with_the_sustained_ratio_and_names_idle_work(tmp_path: Path) -> None:
    measured = turn(1, 24_000, 900, 1100)
    assert measured.costs is not None
    costs = msgspec.structs.replace(measured.costs, idle_us={"orders": 25.0})
    found = made(msgspec.structs.replace(measured, costs=costs))
    found.idle_ms = {"orders": 15.0, "psp": 1.0}
    found.goals = goals.judge(found)
    text = report.write(found, tmp_path, {}).read_text()
    assert text.index("sustained orders/s over the ceiling") < text.index(
        "burst orders/s over the ceiling"
    )
    assert "| range | 0.60 | 600 | 0.80 | 800 | 900 | 1,100 | 24,000 | 30 | 10.0 |" in text
    assert "80 % of the orders come from returning customers" in text
    assert "| all | 16.0 | 25 | 200 |" in text
    assert "| orders | 15.0 | 25 | 100 |" in text


def test_plots_hold_every_series_and_escape_names() -> None:
    drawn = plots.lines("a < b", "x", {"one & two": [(1, 0.5), (128, 1.2)]}, mark=1.0)
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own
    assert "one &amp; two" in drawn
    assert "stroke-dasharray" in drawn


def test_folded_stacks_are_summed_by_the_function_at_work() -> None:
    folded = (
        "main (a.py:1);run (b.py:2) 30\n"
        "main (a.py:1);run (b.py:2);wait (c.py:3) 60\n"
        "main (a.py:1) 10\n"
    )
    assert profiling.hottest(folded) == [
        ("wait (c.py:3)", 0.6),
        ("run (b.py:2)", 0.3),
        ("main (a.py:1)", 0.1),
    ]


def test_statements_are_ranked_by_what_they_took_since_the_load_began() -> None:
    before = {"orders: INSERT": Statement(900, 10, 10, 1_000)}
    after = {
        "orders: INSERT": Statement(930, 20, 210, 5_000),
        "orders: UPDATE": Statement(90, 5, 10, 0),
        "users: SELECT": NOTHING,
    }
    assert profiling.slowest(before, after) == [
        ("orders: UPDATE (2.0 rows and 0 bytes of log a call)", 0.75),
        ("orders: INSERT (20.0 rows and 400 bytes of log a call)", 0.25),
    ]
