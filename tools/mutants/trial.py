"""Runs the tests against one mutant and reports the first failure."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from tools.mutants.mutant import Mutant

PASSED, NOTHING_COLLECTED = 0, 5
"""Exit codes of pytest.

Every other one is a failure, since the same tests pass without the mutant.
"""
GRACE_SECONDS = 20.0
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.M)


class Result(msgspec.Struct, frozen=True):
    number: int
    outcome: Literal["killed", "timeout", "survived"]
    """A timeout counts as killed."""
    killed_by: str
    seconds: float


class Suite(NamedTuple):
    """The tests to run. `arguments` are pytest's; `limit_seconds` applies to each of its runs."""

    paths: Sequence[str]
    arguments: Sequence[str]
    limit_seconds: float
    nearest_first: bool

    def run(self, checkout: Path, mutant: Mutant) -> Result:
        """Apply the mutant, run the tests, and restore the original."""
        began = time.monotonic()
        try:
            mutant.apply(checkout)
            outcome = self._first_failure(checkout, mutant.area)
        finally:
            mutant.restore(checkout)
        return Result(mutant.number, *outcome, round(time.monotonic() - began, 1))

    def baseline(self, checkout: Path) -> Result:
        """Run the same tests without a mutant; the result has number 0."""
        began = time.monotonic()
        outcome = self._first_failure(checkout, "")
        return Result(0, *outcome, round(time.monotonic() - began, 1))

    def _first_failure(
        self, checkout: Path, area: str
    ) -> tuple[Literal["killed", "timeout", "survived"], str]:
        for selected in stages(checkout, self.paths, area if self.nearest_first else ""):
            try:
                code, output = run_tests(
                    checkout, [*selected, "-x", *self.arguments], self.limit_seconds
                )
            except subprocess.TimeoutExpired:
                return "timeout", " ".join(selected)
            if code not in (PASSED, NOTHING_COLLECTED):
                return "killed", first_failed(output)
        return "survived", ""


def stages(checkout: Path, paths: Sequence[str], area: str) -> list[list[str]]:
    """Return the runs of pytest in order: the area's tests, narrow ones first, then all others."""
    near = [
        found for found in nearest(checkout, area) if any(_within(found, path) for path in paths)
    ]
    rest = [path for path in paths if not any(_within(path, done) for done in near)]
    return [
        *([path] for path in near),
        *([[*rest, *(f"--ignore={path}" for path in near)]] if rest else []),
    ]


def nearest(checkout: Path, area: str) -> list[str]:
    """Return an area's tests, e.g. `tests/orders`, or `tests/chassis/test_auth.py` for auth."""
    if not area:
        return []
    found = sorted((checkout / "tests" / "chassis").glob(f"test_*{area}*.py"))
    folders = [checkout / "tests" / area] if (checkout / "tests" / area).is_dir() else []
    return [str(path.relative_to(checkout)) for path in (*found, *folders)]


def _within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def first_failed(output: str) -> str:
    """Return the id of the first failed test, or pytest's last line if no test ran."""
    found = _FAILED.search(output)
    return found[1] if found else (output.strip().splitlines() or ["no output"])[-1]


def run_tests(checkout: Path, arguments: Sequence[str], limit_seconds: float) -> tuple[int, str]:
    """Run pytest; return its exit code and output.

    Raises TimeoutExpired after it has ended all its processes.
    """
    command = [str(checkout / ".venv" / "bin" / "python"), "-m", "pytest", *arguments]
    process = subprocess.Popen(
        command,
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_seconds)
    except BaseException:
        _end(process)
        raise
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    """End the process, first with an interrupt, so that fixtures stop what they have started."""
    for number in (signal.SIGINT, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
