"""Tests of the test tools: skips, time shares, groups, and the clean-up after a killed test run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import skips
from tests.support.eventually import until_blocking
from tests.support.groups import GROUPS, ORDINARY, SECONDS, group_of
from tests.support.progress import grown
from tests.support.skips import Allowed
from valerix.launcher.processes import Identity
from valerix.launcher.state import Phase, StackState, write_state

ROOT = Path(__file__).parents[1]
PLUGINS = (
    "-p",
    "tests.support.groups",
    "-p",
    "tests.support.progress",
    "-p",
    "tests.support.skips",
)
STARTS_A_STACK = "from tests.support.stack " + "import"


def pytest_on(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest separately on one module, with the plugins of tests/support."""
    (folder / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        *PLUGINS,
        "-q",
        "--rootdir",
        str(folder),
        "-c",
        os.devnull,
        *options,
    ]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    alone["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command.append(str(folder))
    return subprocess.run(
        command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=120, check=False
    )


# --- skips

SKIPPING = "import pytest\n\n@pytest.mark.skip(reason='not today')\ndef test_it(): ...\n"


def test_a_skip_that_is_not_listed_fails_the_run(tmp_path: Path) -> None:
    done = pytest_on(tmp_path, SKIPPING, "--no-skips")
    assert done.returncode == 1
    assert "NOT ALLOWED TO SKIP test_it.py::test_it: not today" in done.stdout
    assert pytest_on(tmp_path, SKIPPING).returncode == 0


@pytest.mark.parametrize(
    ("test", "reason", "covered"),
    [
        ("tests/a/test_b.py::test_c", "why", True),
        ("tests/a/test_b.py::test_c", "another reason", False),
        ("tests/b/test_b.py::test_c", "why", False),
    ],
)
def test_a_listed_skip_is_of_that_test_for_that_reason(
    test: str, reason: str, covered: bool
) -> None:
    entry = Allowed("tests/a/*", "why", "not root")
    there = os.geteuid() != 0
    assert entry.covers(test, reason) == (covered and there)


def test_the_list_of_skips_can_be_read() -> None:
    assert {entry.condition for entry in skips.allowed()} <= skips.CONDITIONS.keys()


# --- shares


def test_a_run_over_its_share_says_so(tmp_path: Path) -> None:
    two = "def test_one(): ...\n\ndef test_two(): ...\n"
    over = pytest_on(tmp_path, two, "--share", "0.000001").stdout
    assert re.search(r"OVER ITS SHARE: \d+:\d\d instead of 0:00", over)
    assert "OVER" not in pytest_on(tmp_path, two, "--share", "60").stdout


def test_groups_that_took_longer_than_they_used_to_are_named() -> None:
    ordinary, grouped = "tests/orders/test_due.py", "tests/system/test_kill.py"
    took = {
        f"{ordinary}::a": ORDINARY / 2,
        f"{ordinary}::b": ORDINARY,
        f"{grouped}::c": SECONDS["kill"] + 9.0,
    }
    assert grown(took) == [("kill", SECONDS["kill"] + 9.0), (ordinary, 1.5 * ORDINARY)]
    assert grown({f"{ordinary}::a": ORDINARY}) == []


# --- groups


def test_the_modules_of_groups_exist() -> None:
    assert [
        module for group in GROUPS for module in group.modules if not (ROOT / module).is_file()
    ] == []


def test_what_starts_a_stack_belongs_to_a_group() -> None:
    modules = {
        str(path.relative_to(ROOT)): path.read_text()
        for path in (ROOT / "tests").rglob("test_*.py")
    }
    starting = {name for name, text in modules.items() if STARTS_A_STACK in text}
    grouped = {module for group in GROUPS for module in group.modules}
    assert len(starting) > 20
    assert starting - grouped == set(), "add the module to a group in tests/support/groups.py"


def test_groups_of_one_module_are_told_apart_by_a_word() -> None:
    test = "tests/system/test_events.py::test_it[rabbitmq]"
    assert [group.name for group in GROUPS if group.has(test)] == ["events on RabbitMQ"]
    assert group_of("tests/orders/test_due.py::test_it") is None


# --- a killed test run


def test_a_killed_test_run_leaves_neither_stack_nor_folder(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    (data_dir / "run").mkdir(parents=True)
    launcher = subprocess.Popen(["/bin/sleep", "1000"])
    state = StackState(
        Identity.of(launcher.pid), data_dir, Phase.READY, ports={}, replicas={}, demo=True
    )
    write_state(state)
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom tests.support import reaper\n"
        "reaper.watch(Path(sys.argv[1]))\nprint('watching', flush=True)\ntime.sleep(1000)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, str(data_dir)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "watching\n"
    time.sleep(0.1)
    assert launcher.poll() is None
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert launcher.wait(60) == -signal.SIGTERM
    until_blocking(lambda: not data_dir.exists(), "its folder is removed")
