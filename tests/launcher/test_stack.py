"""A complete stack, started and stopped by the commands that its users type."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import until_blocking
from tests.support.leaks import assert_no_leaks
from tests.support.stack import Stack
from valerix.client import Valerix, errors
from valerix.launcher import summary
from valerix.launcher.state import Phase, StackState, only_launcher, read_state
from valerix.launcher.topology import SERVICES
from valerix.users import demo

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 120


class Installation(Stack):
    """The command line on one data directory, and the launcher's state of it."""

    def run(self, *words: str, status: int = 0, **environment: str) -> str:
        """Run a command; return all its output."""
        done = self.cli(*words, check=False, **environment)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def launched(self) -> StackState:
        state = read_state(self.data_dir)
        assert state is not None
        return state

    def place_order(self) -> dict[str, Any]:
        """Place an order with exactly the line that `up` prints."""
        line = self.run("up", "--detach").splitlines()[-1]
        done = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=60
        )
        order: dict[str, Any] = json.loads(done.stdout)
        return order

    def listed(self) -> dict[str, str]:
        """Return the status of the orders that the command lists, by id."""
        return {
            order["id"]: order["status"]
            for order in json.loads(self.run("order", "list", "--json"))["items"]
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running stack, in a folder with a space in its name that only its owner may enter."""
    stack = Installation(tmp_path_factory.mktemp("data") / "data dir")
    output = stack.up()
    assert "Place an order:" in output
    yield stack
    stack.run("down")
    assert_no_leaks((stack.data_dir / "logs").iterdir(), stack.data_dir / "secrets")
    if (outside := stack.data_dir / "postgres").is_symlink():
        shutil.rmtree(outside.readlink().parent)


def test_the_printed_line_places_an_order_that_survives_a_restart_of_everything(
    stack: Installation,
) -> None:
    order = stack.place_order()
    assert order["status"] == "confirmed"
    assert order["total"] == {"amountMinor": 259_800, "currency": "USD"}
    assert "Stopped" in stack.run("down")
    assert not [one for one in stack.launched.identities() if one.is_alive()]
    stack.up()
    again = stack.place_order()
    assert again["id"] != order["id"]
    assert stack.listed()[order["id"]] in ("confirmed", "processing", "shipped", "completed")
    assert again["id"] in stack.listed()


def test_up_on_a_running_stack_says_so(stack: Installation) -> None:
    before = stack.launched.launcher
    assert "Already running" in stack.up()
    assert stack.launched.launcher == before


def test_status_names_every_process_its_health_and_its_memory(stack: Installation) -> None:
    def status_report() -> Any:
        return json.loads(stack.run("status", "--json"))

    until_blocking(
        lambda: {row["health"] for row in status_report()["processes"]} == {"ok"},
        "everything is healthy",
    )
    report = status_report()
    assert report["phase"] == "ready"
    rows = {row["name"]: row for row in report["processes"]}
    assert rows.keys() == {"postgres", "valkey", "gateway", *(process.name for process in SERVICES)}
    assert all(
        row["pid"] and row["memoryBytes"] > 0 and row["startupSeconds"] >= 0
        for row in rows.values()
    )
    table = stack.run("status")
    assert all(name in table for name in rows)


def test_every_process_has_a_log(stack: Installation) -> None:
    assert "everything ready" in stack.run("logs", "launcher")
    assert "ready to accept connections" in stack.run("logs", "postgres")
    assert "There" not in stack.run("logs")
    assert "No log of ordres" in stack.run("logs", "ordres", status=1)


def test_a_killed_launcher_leaves_nothing_that_the_next_start_cannot_clear(
    stack: Installation,
) -> None:
    order = stack.place_order()
    former = stack.launched.identities()
    os.kill(stack.launched.launcher.pid, signal.SIGKILL)
    stack.up()
    assert not [one for one in former if one.is_alive()]
    again = stack.place_order()
    assert again["id"] != order["id"]
    assert {order["id"], again["id"]} <= stack.listed().keys()


def test_databases_can_be_prepared_while_the_stack_runs(stack: Installation) -> None:
    assert "up to date" in stack.run("migrate")
    assert "are there" in stack.run("seed")


def test_a_service_by_hand_takes_its_settings_from_the_running_stack(stack: Installation) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "valerix.cli.main",
            "serve",
            "users",
            "--data-dir",
            str(stack.data_dir),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert process.stdout is not None
    assert "users-by-hand beside the stack" in process.stdout.readline()
    while "ready to serve" not in (line := process.stdout.readline()):
        assert line, "it has ended"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


# --- stacks of their own


def test_a_busy_port_is_one_line_and_nothing_is_started(folder: Path) -> None:
    stack = Installation(folder / "data")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = stack.run("up", "--detach", "--ports", "auto", "--port", str(port), status=1)
    assert (
        f"Port {port} is in use by another program, gateway needs it: choose another with --port N"
        in output
    )
    assert stack.launched.phase is Phase.FAILED
    assert stack.launched.processes == {}


def test_of_two_launchers_on_one_data_directory_the_second_says_what_to_do(folder: Path) -> None:
    stack = Installation(folder / "data")
    stack.data_dir.mkdir()
    with only_launcher(stack.data_dir):
        output = stack.run("up", "--detach", "--ports", "auto", status=1)
    assert output.startswith(
        f"Another launcher (process {os.getpid()}) uses {stack.data_dir}: `./valerix status`"
    )
    assert len(output.splitlines()) == 1


def test_a_start_that_fails_names_the_process_and_leaves_nothing_running(folder: Path) -> None:
    stack = Installation(folder / "data")
    output = stack.run("up", "--detach", "--ports", "auto", status=1, VALERIX_MAX_IN_FLIGHT="many")
    assert "VALERIX_MAX_IN_FLIGHT" in output
    assert stack.launched.failed_process in {process.name for process in SERVICES}
    assert f"{stack.launched.failed_process} ended with 2 while starting" in output
    assert not [one for one in stack.launched.identities() if one.is_alive()]
    assert "Nothing was running" in stack.run("down")


def test_databases_are_prepared_without_a_stack(folder: Path) -> None:
    stack = Installation(folder / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    output = stack.run("migrate", VALERIX_POSTGRES_PORT=port)
    assert "orders: applied" in output
    assert "up to date" in output
    assert "applied" not in stack.run("migrate", VALERIX_POSTGRES_PORT=port)


def test_logins_in_the_summary_are_those_of_the_demo_data() -> None:
    accounts = {
        account.email
        for account in (*demo.CUSTOMERS[:1], demo.DEMO_OPERATOR, demo.DEMO_ADMINISTRATOR)
    }
    assert accounts == {summary.CUSTOMER, summary.OPERATOR, summary.DEMO_ADMINISTRATOR}
    assert demo.ADMINISTRATOR.email == summary.ADMINISTRATOR


def test_in_the_foreground_it_shows_what_happens_until_it_is_interrupted(folder: Path) -> None:
    stack = Installation(folder / "data")
    launcher = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "valerix.cli.main", "up", "--ports", "auto", "--no-demo"),
            *("--host", "0.0.0.0", "--tls"),  # noqa: S104 - opens the gateway on purpose
            *("--replicas", "users=2", "--data-dir", str(stack.data_dir)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert launcher.stdout is not None
    shown: list[str] = []
    while not shown or summary.ADMINISTRATOR not in shown[-1]:
        shown.append(launcher.stdout.readline())
        assert shown[-1], "".join(shown)
    assert_no_faults_can_be_injected(stack)
    left = stack.launched.identities()
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=TIMEOUT_SECONDS)
    assert launcher.returncode == 0
    assert stack.launched.phase is Phase.STOPPED
    assert not [one for one in left if one.is_alive()]
    assert any(line.startswith("users-2") and "ready to serve" in line for line in shown)
    assert summary.CUSTOMER not in "".join(shown)
    assert "start with VALERIX_CHAOS=enabled" in "".join(shown)


def assert_no_faults_can_be_injected(stack: Installation) -> None:
    """Assert it for the administrator, on a stack with real data that other machines reach."""
    url, password = stack.url.replace("http:", "https:"), stack.secret("admin")
    with Valerix(
        url, email=summary.ADMINISTRATOR, password=password, ca_file=Path(stack.launched.ca_file)
    ) as admin:
        for call in (admin.chaos.overview, admin.chaos.stop_all, lambda: admin.chaos.get("orders")):
            with pytest.raises(errors.NotFound, match="VALERIX_CHAOS=enabled"):
                call()
