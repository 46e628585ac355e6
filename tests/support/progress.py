"""Reports during a run the current test, the number of finished tests and the slowest; at the end,
the time by group.

A pytest plugin of the process that writes to the user's terminal; with pytest-xdist this process
runs no test itself.
"""

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import pytest

from tests.support.groups import ORDINARY, SECONDS, unit_of

EVERY_SECONDS: Final = 10.0
"""Seconds between lines; on a terminal the line is rewritten in place, and more often."""
SLOWEST: Final = 20
LONGEST_NAME: Final = 100


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        type=float,
        default=0,
        metavar="SECONDS",
        help="a run that takes longer lists the groups that grew",
    )


class Progress:
    """Measures `seconds` of each test so far, including its set-up and tear-down."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal = _reporter(config)
        self._on_terminal: bool = self._terminal.isatty
        self._began = self._said = time.monotonic()
        self._total = 0
        self._running: dict[str, None] = {}
        self._done: set[str] = set()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    # --- events from pytest

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._total = len(ids)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = self._total or len(session.items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = None
        self._say()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid
        self.seconds[name] += report.duration
        if report.when == "teardown":
            self._running.pop(name, None)
            self._done.add(name)
        if report.failed:
            self._terminal.ensure_newline()
            self._terminal.write_line(f"FAILED {name}", red=True)
        self._say()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """Suppresses the dots and letters: the progress lines replace them."""
        if report.when not in ("setup", "call", "teardown") or report.skipped:
            return None
        if report.failed:
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        return ("passed" if report.when == "call" else "", "", "")

    # --- output

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said < (1 if self._on_terminal else EVERY_SECONDS):
            return
        self._said = now
        line = self._line(now - self._began)
        if self._on_terminal:
            width = self._terminal._tw.fullwidth - 1
            self._terminal.rewrite(line[:width], erase=True)
        else:
            self._terminal.ensure_newline()
            self._terminal.write_line(line)

    def _line(self, seconds: float) -> str:
        failed = len(self._terminal.stats.get("failed", [])) + len(
            self._terminal.stats.get("error", [])
        )
        slowest = max(self.seconds.items(), key=itemgetter(1), default=None)
        parts = [f"{clock(seconds)}  {len(self._done)} of {self._total}"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"slowest {slowest[1]:.1f} s {slowest[0][:LONGEST_NAME]}"] if slowest else []
        parts += (
            ["now " + ", ".join(name[:LONGEST_NAME] for name in self._running)]
            if self._running
            else []
        )
        return "  ".join(parts)

    def pytest_terminal_summary(self, config: pytest.Config) -> None:
        if self._total <= 1:
            return
        self._terminal.section(f"the slowest of {len(self.seconds)} tests")
        for name, seconds in sorted(self.seconds.items(), key=itemgetter(1), reverse=True)[
            :SLOWEST
        ]:
            self._terminal.write_line(f"{seconds:7.1f} s  {name}")
        share, took = config.getoption("--share"), time.monotonic() - self._began
        if share and took > share:
            self._terminal.write_line(
                f"OVER ITS SHARE: {clock(took)} instead of {clock(share)}", red=True
            )
            for group, seconds in grown(self.seconds):
                self._terminal.write_line(
                    f"{seconds:7.1f} s instead of {SECONDS.get(group, ORDINARY):3}  {group}"
                )


def grown(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Returns the groups that took longer than recorded, with seconds, largest growth first.
    `seconds`: by test.
    """
    now: defaultdict[str, float] = defaultdict(float)
    for name, took in seconds.items():
        now[unit_of(name)] += took
    more = {group: took - SECONDS.get(group, ORDINARY) for group, took in now.items()}
    return [
        (group, now[group])
        for group in sorted(more, key=lambda group: -more[group])
        if more[group] > 0
    ]


def _reporter(config: pytest.Config) -> Any:
    return config.pluginmanager.get_plugin("terminalreporter")


def clock(seconds: float) -> str:
    """Formats seconds as minutes and seconds."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if "PYTEST_XDIST_WORKER" not in os.environ and _reporter(config):
        config.pluginmanager.register(Progress(config), "progress")
