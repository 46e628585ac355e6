"""A short benchmark with real programs: it ends with both ratios, a sound audit and no
leftovers.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.folders import empty_folder
from valerix.bench import results, turns
from valerix.launcher.state import read_state

ROOT = Path(__file__).parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "valerix.cli.main", "bench", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.fixture
def work_dir() -> Iterator[Path]:
    with empty_folder() as folder:
        yield folder


@pytest.mark.full
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing: apt install wrk")
def test_a_quick_benchmark_ends_with_the_ratio_and_leaves_nothing_behind(work_dir: Path) -> None:
    out = work_dir / "out"
    done = bench(
        "--quick", "--rounds", "1", "--seconds", "2", "--out", str(out), "--work-dir", str(work_dir)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = results.read(out / "results.json")
    assert done.stdout.splitlines()[-2:] == [
        f"ceiling ratio {found.turns['burstRatio'].median:.2f}",
        f"sustained ratio {found.turns['sustainedRatio'].median:.2f}",
    ]
    (turn,) = (run for run in found.runs if run.cell == turns.CELL)
    assert turn.load_seconds >= 30
    assert turn.orders == turn.statuses["201"]
    assert turn.backlog == 0
    assert turn.returning is not None
    assert 0.7 < turn.returning <= 0.8
    assert found.idle_ms["orders"] > 0
    cell = found.find(turns.CELL)
    assert cell is not None
    assert cell.statuses["201"] > 0
    assert cell.costs is not None
    assert {"orders", "gateway", "postgres: orders", "worker"} <= cell.costs.cpu_us.keys()
    assert cell.costs.statements["orders"] > 0
    assert cell.costs.wal_bytes > 0
    assert cell.costs.batches["orders: place"] >= 1
    assert found.audit is not None
    assert found.audit.sound
    assert "## What an order costs" in (out / "report.md").read_text()
    assert [path.name for path in work_dir.iterdir()] == ["out"]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing: apt install wrk")
def test_more_orders_than_the_disk_has_room_for_are_refused_at_once(work_dir: Path) -> None:
    done = bench("--rows", "10000000000", "--work-dir", str(work_dir))
    assert done.returncode != 0
    assert "need about 72006 GB" in done.stdout + done.stderr
    assert not list(work_dir.iterdir())


@pytest.mark.full
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing: apt install wrk")
def test_a_benchmark_that_is_ended_takes_its_stack_along(work_dir: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "valerix.cli.main",
        "bench",
        "--quick",
        "--work-dir",
        str(work_dir),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any("warming up" in line for line in running.stdout)
        (data_dir,) = work_dir.glob("valerix-bench-*")
        state = read_state(data_dir)
        assert state is not None
        running.terminate()
        assert running.wait(60) == 130
    assert not [one for one in state.identities() if one.is_alive()]
    assert list(work_dir.iterdir()) == []


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = bench("--quick")
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "wrk is not installed: apt install wrk (or what your system calls it)",
    )


def test_connections_are_numbers() -> None:
    done = bench("--connections", "1,many")
    assert done.returncode == 1
    assert "write it as numbers with commas" in done.stderr
