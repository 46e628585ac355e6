"""A gateway ends on its signals, and leaves no process or file behind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.gateway.front import Front, Service, prepared
from tests.gateway.scripted import ScriptedService
from tests.gateway.services import EchoService
from tests.gateway.websockets import echoes, returns, websocket
from tests.gateway.wire import connected, head
from tests.support.eventually import until_blocking
from valerix.launcher.settings import GatewayName


@pytest.fixture
def front(gateway: GatewayName, tmp_path: Path) -> Iterator[Front]:
    services: list[Service] = [EchoService("orders-1"), ScriptedService("notifications-1", echoes)]
    with prepared(gateway, tmp_path, services=services) as front:
        front.start()
        try:
            until_blocking(front.answers, "the gateway answers")
            front.gateway.reload(
                front.instances, front.process.pid
            )  # it handles signals from now on
            yield front
        finally:
            front.stop()


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def are_gone(processes: list[psutil.Process]) -> bool:
    return not [
        one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_of_it(front: Front, sent: signal.Signals) -> None:
    processes = family(front.process.pid)
    front.process.send_signal(sent)
    front.process.wait(60)
    until_blocking(lambda: are_gone(processes), "all of it is gone")


def test_what_is_open_does_not_keep_it(front: Front) -> None:
    processes = family(front.process.pid)
    with ExitStack() as stack:
        wire = stack.enter_context(websocket(front))
        assert returns(wire, b"one")
        held = stack.enter_context(connected(front))
        held.send(head("GET /orders?held"))
        half = stack.enter_context(connected(front))
        half.send(head("POST /orders", "Content-Length: 10"), b"half")
        until_blocking(lambda: front.echo("orders-1").holding == 1, "it is held")
        front.process.terminate()
        front.process.wait(20)
    until_blocking(lambda: are_gone(processes), "all of it is gone")


def test_the_next_one_can_listen_at_once(front: Front) -> None:
    front.process.kill()
    front.process.wait()
    front.start()
    until_blocking(front.answers, "it answers again")


def test_it_ends_with_its_launcher(gateway: GatewayName, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.gateway.launched", gateway, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        processes = family(int(launcher.stdout.readline()))
        launcher.kill()
    until_blocking(lambda: are_gone(processes), "all of it is gone")
