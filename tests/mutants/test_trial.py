"""Trials of mutants in a small separate repository."""

import subprocess
import sys
from pathlib import Path

import pytest
from tools.mutants import trial as trials
from tools.mutants.mutant import DoesNotApply, Mutant
from tools.mutants.trial import Suite, first_failed, stages

MODULE = "pair = [1, 2]\n\nlimit = 2\n\nlimit = 2\n"
ARGUMENTS = ["-q", "-p", "no:cacheprovider"]


@pytest.fixture(autouse=True)
def quick_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disables plugins, which the tests of the small repository do not need."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Creates a repository with a module, a test of it, and the Python interpreter of this test
    run.
    """
    (tmp_path / "module.py").write_text(MODULE)
    (tmp_path / "test_module.py").write_text(
        "import module\ndef test_limit(): assert module.limit == 2\n"
    )
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for command in (["init", "-q"], ["add", "module.py"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def mutant(line: int, before: str, after: str) -> Mutant:
    return Mutant(7, "orders", "module.py", line, "integer", before, after)


def trial(checkout: Path, change: Mutant, limit_seconds: float = 60.0) -> tuple[str, str]:
    result = Suite(["test_module.py"], ARGUMENTS, limit_seconds, nearest_first=True).run(
        checkout, change
    )
    assert (checkout / "module.py").read_text() == MODULE
    return result.outcome, result.killed_by


def test_a_failing_test_kills_a_mutant(checkout: Path) -> None:
    assert trial(checkout, mutant(5, "limit = 2", "limit = 3")) == (
        "killed",
        "test_module.py::test_limit",
    )


def test_a_mutant_that_cannot_be_imported_is_killed(checkout: Path) -> None:
    assert trial(checkout, mutant(5, "limit = 2", "import nowhere")) == ("killed", "test_module.py")


def test_a_mutant_survives_passing_tests(checkout: Path) -> None:
    assert trial(checkout, mutant(1, "pair = [1, 2]", "pair = [2, 2]")) == ("survived", "")


def test_a_mutant_that_hangs_is_ended(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A shell's background jobs ignore the interrupt.
    monkeypatch.setattr(trials, "GRACE_SECONDS", 1.0)
    hanging = mutant(5, "limit = 2", "while True: pass")
    assert trial(checkout, hanging, 2.0) == ("timeout", "test_module.py")


def test_a_mutant_is_put_where_its_lines_stand_now() -> None:
    assert (
        mutant(4, "limit = 2", "limit = 3").mutated("\n" + MODULE)
        == "\npair = [1, 2]\n\nlimit = 3\n\nlimit = 2\n"
    )


def test_a_mutant_of_lines_that_are_gone_does_not_apply(checkout: Path) -> None:
    with pytest.raises(DoesNotApply, match=r"module\.py:1"):
        mutant(1, "pair = (1, 2)", "pair = (2, 2)").apply(checkout)


def test_the_nearest_tests_are_run_first_and_not_again(tmp_path: Path) -> None:
    for name in ("tests/chassis/test_auth.py", "tests/orders/test_rows.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert stages(tmp_path, ["tests/orders", "tests/users"], "orders") == [
        ["tests/orders"],
        ["tests/users", "--ignore=tests/orders"],
    ]
    assert stages(tmp_path, ["tests"], "auth") == [
        ["tests/chassis/test_auth.py"],
        ["tests", "--ignore=tests/chassis/test_auth.py"],
    ]
    assert stages(tmp_path, ["tests/users"], "orders") == [["tests/users"]]


def test_the_first_failure_is_named() -> None:
    assert first_failed(
        "...\nFAILED tests/a.py::test_b[x y] - assert 1 == 2\nFAILED tests/a.py::test_c\n"
    ) == ("tests/a.py::test_b[x y]")
    assert (
        first_failed("ImportError while loading conftest\nE   no such name\n") == "E   no such name"
    )
