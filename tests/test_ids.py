"""No proof is lost: every test that ever existed is present, or has successors that prove the same.

`tests/ids/` has a list of ids for each rearrangement of the tests; a missing id has successors.
(The lists name the planted secrets of tests/test_repository.py by their kind.)
"""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.groups import COLLECTED

ROOT = Path(__file__).parents[1]
IDS = Path(__file__).parent / "ids"


def listed() -> set[str]:
    """Returns the ids of all lists."""
    return {test for file in IDS.glob("*.txt") for test in file.read_text().splitlines()}


def successors() -> dict[str, list[str]]:
    return tomllib.loads((IDS / "successors.toml").read_text())


@pytest.fixture(scope="module")
def present(pytestconfig: pytest.Config) -> set[str]:
    """Returns the ids of all tests of this checkout, whatever the selection of this run."""
    if [Path(argument).name for argument in pytestconfig.args] == pytestconfig.getini("testpaths"):
        collected: list[str] = pytestconfig.stash[COLLECTED]
        return set(collected)
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests",
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {line for line in found.stdout.splitlines() if "::" in line}


def test_a_test_that_is_gone_has_successors(present: set[str]) -> None:
    gone = sorted(listed() - present - successors().keys())
    assert not gone, "list their successors in tests/ids/successors.toml:\n" + "\n".join(gone)


def test_successors_exist_or_have_successors(present: set[str]) -> None:
    known = present | successors().keys()
    missing = {
        old: new for old, new in successors().items() if not new or not known.issuperset(new)
    }
    assert not missing, "these successors do not exist, either"


def test_only_what_is_gone_has_successors(present: set[str]) -> None:
    assert not successors().keys() & present, "the test exists again: remove its successors"


def test_the_lists_are_read() -> None:
    assert len(listed()) > 2_000
