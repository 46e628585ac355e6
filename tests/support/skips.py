"""With `--no-skips`, a test may skip only if tests/skips.toml lists the skip. A pytest plugin."""

import os
import tomllib
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.support.disks import may_mount

LIST: Final = Path(__file__).parents[1] / "skips.toml"
CONDITIONS: Final[dict[str, Callable[[], bool]]] = {
    "not root": lambda: os.geteuid() != 0,
    "no mounts": lambda: not may_mount(),
}


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A permitted skip. `test`: id, with wildcards; `reason`: the test's own text; `condition`:
    name of the environment.
    """

    test: str
    reason: str
    condition: str

    def covers(self, test: str, reason: str) -> bool:
        return (
            fnmatchcase(test, self.test) and reason == self.reason and CONDITIONS[self.condition]()
        )


def allowed() -> list[Allowed]:
    """Reads the committed list."""
    return msgspec.convert(tomllib.loads(LIST.read_text()).get("skip", []), list[Allowed])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a skip that tests/skips.toml does not list fails the run",
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--no-skips") or reporter is None:
        return
    entries = allowed()
    for report in reporter.stats.get("skipped", []):
        test, reason = report.nodeid, reason_of(report)
        if not any(entry.covers(test, reason) for entry in entries):
            reporter.write_line(f"NOT ALLOWED TO SKIP {test}: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def reason_of(report: pytest.TestReport) -> str:
    """Returns the reason of a skipped test."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
