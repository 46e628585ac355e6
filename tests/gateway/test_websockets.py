"""WebSockets pass, stay open, and do not use up the limits of requests."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from h2.settings import SettingCodes

from tests.gateway.front import QUICK, Front, started
from tests.gateway.http2 import http2
from tests.gateway.scripted import ScriptedService
from tests.gateway.services import EchoService
from tests.gateway.websockets import echoes, returns, websocket
from tests.gateway.wire import ATTACKER, head, status_of
from tests.support.eventually import until_blocking
from valerix.launcher import certificates
from valerix.launcher.settings import GatewayName


def services() -> list[EchoService | ScriptedService]:
    return [EchoService("orders-1"), ScriptedService("notifications-1", echoes)]


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    timeouts = QUICK._replace(idle=1)
    limits = {"gateway_rate": 100_000, "gateway_capacity": 1, "gateway_in_flight": 120}
    with started(
        gateway, tmp_path_factory.mktemp("websockets"), None, timeouts, services(), **limits
    ) as front:
        yield front


def test_bytes_pass_in_both_directions(front: Front) -> None:
    with websocket(front) as wire:
        assert returns(wire, b"one")
        assert returns(wire, b"two" * 50_000)


def test_a_long_silence_ends_nothing(front: Front) -> None:
    with websocket(front) as wire:
        time.sleep(2.5 * QUICK.answer)  # longer than every other time-out of this gateway
        assert returns(wire, b"still there")


def test_many_take_nothing_of_what_a_service_takes(front: Front) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(websocket(front)) for _ in range(100)]
        assert [status_of(front, head("GET /notifications")) for _ in range(5)] == [200] * 5
        assert all(returns(wire, b"here") for wire in wires)


def test_those_of_one_address_are_bounded(front: Front) -> None:
    with ExitStack() as stack:
        for _ in range(120):
            stack.enter_context(websocket(front, ATTACKER))
        assert status_of(front, head("GET /ws"), source=ATTACKER) == 429
        with websocket(front) as wire:
            assert returns(wire, b"another address")
    until_blocking(
        lambda: status_of(front, head("GET /ws"), source=ATTACKER) == 200,
        "ended WebSockets no longer count",
    )


def test_the_end_of_one_side_is_the_end_of_the_other(front: Front) -> None:
    service = front.services["notifications-1"]
    assert isinstance(service, ScriptedService)
    ends = []

    def notes_the_end(connection: object, request: bytes) -> bool:
        going_on = echoes(connection, request)  # type: ignore[arg-type]
        ends.append(request)
        return going_on

    service.behave = notes_the_end
    try:
        with websocket(front) as wire:
            assert returns(wire, b"one")
        until_blocking(lambda: ends, "the service notices")
    finally:
        service.behave = echoes


def test_handshakes_over_http2_work_where_they_are_offered(
    gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Browsers use HTTP/2 for WebSockets if the server offers it (RFC 8441)."""
    folder = tmp_path_factory.mktemp("websockets with TLS")
    certificate = certificates.generated(folder / "tls")
    with (
        started(gateway, folder, certificate, QUICK, services()) as front,
        http2(front) as connection,
    ):
        connection.receive()
        if connection.offers(SettingCodes.ENABLE_CONNECT_PROTOCOL):
            stream = connection.ask("CONNECT", "/ws", (":protocol", "websocket"), ends=False)
            until_blocking(
                lambda: connection.received() and stream in connection.statuses, "it is answered"
            )
            assert connection.statuses[stream] == 200
            connection.send(stream, b"one", ends=False)
            until_blocking(
                lambda: connection.received() and stream in connection.bodies, "it comes back"
            )
            assert connection.bodies[stream] == b"one"
            time.sleep(2.5 * QUICK.answer)
            connection.send(stream, b"two", ends=False)
            until_blocking(
                lambda: connection.received() and len(connection.bodies[stream]) > 3,
                "the echo arrives",
            )
