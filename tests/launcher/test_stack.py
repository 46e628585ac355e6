"""The whole stack, started and stopped as its users do it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import until_blocking
from tests.support.leaks import assert_no_leaks
from valerix.launcher import summary
from valerix.launcher.credentials import Credentials
from valerix.launcher.processes import Identity
from valerix.launcher.state import Phase, StackState, read_state
from valerix.launcher.topology import SERVICES
from valerix.users import demo

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120


class Stack:
    """The command line on one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def run(self, *arguments: str, status: int = 0, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "valerix.cli.main", *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def up(self, *arguments: str) -> str:
        return self.run("up", "--detach", "--ports", "auto", *arguments)

    @property
    def state(self) -> StackState:
        state = read_state(self.data_dir)
        assert state is not None
        return state

    def identity(self, process: str) -> Identity | None:
        return self.state.processes[process].identity

    def place_order(self) -> dict[str, Any]:
        """By the very line that `up` printed."""
        line = self.run("up", "--detach").splitlines()[-1]
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=60)
        order: dict[str, Any] = json.loads(done.stdout)
        return order

    def find_order(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as its customer sees it now."""
        account = {"email": summary.CUSTOMER, "password": Credentials(self.data_dir).demo_password}
        token = self._ask("/api/v1/users/login", {}, json.dumps(account).encode())["accessToken"]
        return self._ask(f"/api/v1/orders/{order['id']}", {"Authorization": f"Bearer {token}"})

    def _ask(self, path: str, headers: dict[str, str], body: bytes | None = None) -> dict[str, Any]:
        url = f"{summary.gateway_url(self.state)}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})  # noqa: S310 - http
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - http
            answer: dict[str, Any] = json.load(response)
            return answer


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Running, in a folder that has a space in its name and that only its owner may enter."""
    stack = Stack(tmp_path_factory.mktemp("data") / "data dir")
    output = stack.up()
    assert "Place an order:" in output
    yield stack
    stack.run("down")
    assert_no_leaks((stack.data_dir / "logs").iterdir(), stack.data_dir / "secrets")
    if (outside := stack.data_dir / "postgres").is_symlink():
        shutil.rmtree(outside.readlink().parent)


def test_the_printed_line_places_an_order_that_survives_a_restart_of_everything(stack: Stack) -> None:
    order = stack.place_order()
    assert order["status"] == "confirmed"
    assert "Stopped" in stack.run("down")
    assert not [one for one in stack.state.identities() if one.is_alive()]
    stack.up()
    assert stack.find_order(order)["status"] in ("confirmed", "processing", "shipped", "completed")


def test_up_on_a_running_stack_says_so(stack: Stack) -> None:
    before = stack.state.launcher
    assert "Already running" in stack.up()
    assert stack.state.launcher == before


def test_status_names_every_process_its_health_and_its_memory(stack: Stack) -> None:
    def told() -> Any:
        return json.loads(stack.run("status", "--json"))

    until_blocking(lambda: {row["health"] for row in told()["processes"]} == {"ok"}, "everything is healthy")
    report = told()
    assert report["phase"] == "ready"
    rows = {row["name"]: row for row in report["processes"]}
    assert rows.keys() == {"postgres", "valkey", "gateway", *(process.name for process in SERVICES)}
    assert all(row["pid"] and row["memoryBytes"] > 0 and row["startupSeconds"] >= 0 for row in rows.values())
    table = stack.run("status")
    assert all(name in table for name in rows)


def test_every_process_has_a_log(stack: Stack) -> None:
    assert "everything ready" in stack.run("logs", "launcher")
    assert "ready to accept connections" in stack.run("logs", "postgres")
    assert "There" not in stack.run("logs")
    assert "No log of ordres" in stack.run("logs", "ordres", status=1)


def found(stack: Stack, order: dict[str, Any]) -> bool:
    try:
        return bool(stack.find_order(order)["id"] == order["id"])
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 502, 503):
                return False
        raise
    except OSError:  # the gateway is not there yet
        return False


@pytest.mark.parametrize("process", ["orders", "inventory", "psp", "postgres", "valkey", "gateway"])
def test_what_is_killed_comes_back_and_orders_go_on(stack: Stack, process: str) -> None:
    order = stack.place_order()
    killed = stack.identity(process)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    until_blocking(lambda: stack.identity(process) not in (None, killed), f"{process} is started again")
    until_blocking(lambda: all(one.healthy for one in stack.state.processes.values()), "everything is healthy again")
    until_blocking(lambda: found(stack, order), "the gateway has noticed, and the order is there")
    until_blocking(lambda: stack.place_order().get("status") == "confirmed", "orders are confirmed again")


def test_a_killed_launcher_leaves_nothing_that_the_next_start_cannot_clear(stack: Stack) -> None:
    order = stack.place_order()
    former = stack.state.identities()
    os.kill(stack.state.launcher.pid, signal.SIGKILL)
    stack.up()
    assert not [one for one in former if one.is_alive()]
    assert stack.find_order(order)["id"] == order["id"]


def test_databases_can_be_prepared_while_the_stack_runs(stack: Stack) -> None:
    assert "up to date" in stack.run("migrate")
    assert "are there" in stack.run("seed")


def test_a_service_by_hand_takes_its_settings_from_the_running_stack(stack: Stack) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "valerix.cli.main", "serve", "users", "--data-dir", str(stack.data_dir)],
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
    stack = Stack(folder / "data")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output = stack.run("up", "--detach", "--ports", "auto", "--port", str(port), status=1)
    assert f"Port {port} is in use by another program, gateway needs it: choose another with --port N" in output
    assert stack.state.phase is Phase.FAILED
    assert stack.state.processes == {}


def test_a_start_that_fails_names_the_process_and_leaves_nothing_running(folder: Path) -> None:
    stack = Stack(folder / "data")
    output = stack.run("up", "--detach", "--ports", "auto", status=1, VALERIX_MAX_IN_FLIGHT="many")
    assert "VALERIX_MAX_IN_FLIGHT" in output
    assert stack.state.failed_process in {process.name for process in SERVICES}
    assert f"{stack.state.failed_process} ended with 2 while starting" in output
    assert not [one for one in stack.state.identities() if one.is_alive()]
    assert "Nothing was running" in stack.run("down")


def test_databases_are_prepared_without_a_stack(folder: Path) -> None:
    stack = Stack(folder / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    output = stack.run("migrate", VALERIX_POSTGRES_PORT=port)
    assert "orders: applied" in output
    assert "up to date" in output
    assert "applied" not in stack.run("migrate", VALERIX_POSTGRES_PORT=port)


def test_logins_in_the_summary_are_those_of_the_demo_data() -> None:
    accounts = {account.email for account in (*demo.CUSTOMERS[:1], demo.DEMO_OPERATOR, demo.DEMO_ADMINISTRATOR)}
    assert accounts == {summary.CUSTOMER, summary.OPERATOR, summary.DEMO_ADMINISTRATOR}
    assert demo.ADMINISTRATOR.email == summary.ADMINISTRATOR


def test_in_the_foreground_it_shows_what_happens_until_it_is_interrupted(folder: Path) -> None:
    stack = Stack(folder / "data")
    launcher = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "valerix.cli.main", "up", "--ports", "auto", "--no-demo"),
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
    left = stack.state.identities()
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=PATIENCE_SECONDS)
    assert launcher.returncode == 0
    assert stack.state.phase is Phase.STOPPED
    assert not [one for one in left if one.is_alive()]
    assert any(line.startswith("users-2") and "ready to serve" in line for line in shown)
    assert summary.CUSTOMER not in "".join(shown)
