"""A reload with other copies loses no request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.gateway.front import QUICK, Front, Service, started
from tests.gateway.scripted import ScriptedService
from tests.gateway.services import EchoService
from tests.gateway.websockets import echoes, returns, websocket
from tests.gateway.wire import Wire, connected, head, posted, status_of
from tests.support.eventually import until_blocking
from valerix.launcher.settings import GatewayName
from valerix.launcher.topology import Instance


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    services = [EchoService(f"orders-{number}") for number in (1, 2, 3)]
    with started(
        gateway, tmp_path_factory.mktemp("reload"), services=services, gateway_rate=100_000
    ) as front:
        yield front


def copies(front: Front, *numbers: int) -> list[Instance]:
    return [front.services[f"orders-{number}"].instance for number in numbers]


def reload(front: Front, *numbers: int) -> None:
    """Reloads the gateway and waits until exactly these copies get requests."""
    front.gateway.reload(copies(front, *numbers), front.process.pid)
    wanted = {f"orders-{number}" for number in numbers}
    until_blocking(
        lambda: {front.reached("/orders")["name"] for _ in range(2 * len(numbers))} == wanted,
        "exactly these copies get requests",
    )


class Load:
    """Sends sequential requests and collects the statuses."""

    def __init__(self, statuses_of: Callable[[], Iterator[int]]) -> None:
        self.statuses: list[int] = []
        self._statuses_of = statuses_of
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for status in self._statuses_of():
            self.statuses.append(status)
            if self._end.is_set():
                return

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            until_blocking(lambda: self.statuses, "the first request was answered")
            yield
        finally:
            self._end.set()
            self._thread.join()


def on_new_connections(front: Front) -> Iterator[int]:
    while True:
        yield status_of(front, posted(b"{}"))


def on_kept_connections(front: Front) -> Iterator[int]:
    """Sends requests as a client must: on a new connection after `Connection: close`."""
    while True:
        with connected(front) as wire:
            while True:
                wire.send(posted(b"{}"))
                reply = wire.answer()
                yield reply.status if reply else 0
                if reply is None or reply.headers.get("Connection", "").lower() == "close":
                    break


def test_a_reload_loses_no_request(front: Front) -> None:
    loads = [Load(lambda: on_new_connections(front)), Load(lambda: on_kept_connections(front))]
    with loads[0].at_work(), loads[1].at_work():
        for numbers in ((1, 2), (2, 3), (1,), (1, 2, 3)):
            reload(front, *numbers)
    statuses = [status for load in loads for status in load.statuses]
    assert len(statuses) > 20
    assert set(statuses) == {200}


def test_a_request_under_way_is_answered(front: Front) -> None:
    reload(front, 1)
    service = front.echo("orders-1")
    with connected(front) as wire:
        wire.send(head("GET /orders?held"))
        until_blocking(lambda: service.holding == 1, "it is held")
        reload(front, 2)
        service.going_on.set()
        reply = wire.answer()
        service.going_on.clear()
    assert reply
    assert reply.document()["name"] == "orders-1"


def test_a_copy_that_is_no_more_gets_nothing_and_is_not_missed(front: Front) -> None:
    reload(front, 1, 2)
    reload(front, 2, 3)
    before = front.echo("orders-1").arrived[:]
    assert [status_of(front, head("GET /orders")) for _ in range(10)] == [200] * 10
    assert front.echo("orders-1").arrived == before


def test_an_idle_connection_is_good_for_one_more_request(front: Front) -> None:
    """Otherwise a client that uses the connection at this moment would lose the request."""
    reload(front, 1, 2)
    with connected(front) as wire:
        assert _asked_on(wire) == 200
        reload(front, 2, 3)
        assert _asked_on(wire) == 200


def _asked_on(wire: Wire) -> int:
    wire.send(head("GET /orders"))
    reply = wire.answer()
    return reply.status if reply else 0


def test_what_was_open_before_a_reload_does_not_keep_the_former_process(
    gateway: GatewayName, tmp_path: Path
) -> None:
    services: list[Service] = [EchoService("orders-1"), ScriptedService("notifications-1", echoes)]
    with started(gateway, tmp_path, None, QUICK, services) as front, ExitStack() as stack:
        before = psutil.Process(front.process.pid).children()
        wire = stack.enter_context(websocket(front))
        assert returns(wire, b"one")
        front.gateway.reload(front.instances, front.process.pid)
        if before:
            assert wire.is_closed()
            until_blocking(
                lambda: not any(child.is_running() for child in before), "the former worker ends"
            )
        assert len(psutil.Process(front.process.pid).children()) == len(before)
        with websocket(front) as again:
            assert returns(again, b"two")


def test_a_configuration_that_cannot_be_used_changes_nothing(front: Front) -> None:
    reload(front, 1, 2)
    nowhere = [Instance("orders-1", "orders", 99_999)]
    front.gateway.reload(nowhere, front.process.pid)
    assert [status_of(front, head("GET /orders")) for _ in range(30)] == [200] * 30
    reload(front, 2, 3)
