"""No request is sent twice, and an unreachable copy loses no request."""

import socket
from collections.abc import Iterator

import pytest

from tests.gateway.front import Front, started
from tests.gateway.scripted import ScriptedService, answers, closes
from tests.gateway.services import EchoService
from tests.gateway.wire import Reply, Wire, connected, head, posted, status_of
from valerix.launcher.settings import GatewayName


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    copies = [ScriptedService(f"payments-{number}", closes) for number in (1, 2)]
    orders = [EchoService("orders-1"), EchoService("orders-2")]
    with started(
        gateway, tmp_path_factory.mktemp("once"), services=[*copies, *orders], gateway_rate=100_000
    ) as front:
        yield front


def copies(front: Front) -> list[ScriptedService]:
    return [one for one in front.services.values() if isinstance(one, ScriptedService)]


REQUESTS = {
    "POST": posted(b"{}", path="/payments/7"),
    "GET": head("GET /payments/7"),
    "PUT": head("PUT /payments/7"),
}


@pytest.mark.parametrize("method", REQUESTS)
def test_a_request_that_was_read_and_not_answered_arrives_once(front: Front, method: str) -> None:
    before = front.arrived()
    assert status_of(front, REQUESTS[method]) in (0, 502)
    assert front.arrived_since(before) == ["/api/v1/payments/7"]


def _answers_once(connection: socket.socket, request: bytes) -> bool:
    """Answers the first request of a connection; reads the second and does not answer it."""
    return b"/first" in request and answers(connection, request)


@pytest.mark.parametrize("method", REQUESTS)
def test_nor_does_it_on_a_connection_that_was_used_before(front: Front, method: str) -> None:
    before = front.arrived()
    reply = _on_used_connections(front, REQUESTS[method])
    assert reply is None or reply.status == 502
    assert [path for path in front.arrived_since(before) if path.endswith("/7")] == [
        "/api/v1/payments/7"
    ]


def test_its_sender_is_answered_502(front: Front) -> None:
    reply = _on_used_connections(front, REQUESTS["POST"])
    assert reply
    assert reply.status == 502


def _on_used_connections(front: Front, request: bytes) -> Reply | None:
    for copy in copies(front):
        copy.behave = _answers_once
    with connected(front) as wire:
        for _ in range(2):  # opens and keeps a connection to each copy
            wire.send(head("GET /payments/first"))
            reply = wire.answer()
            assert reply
            assert reply.status == 200
        wire.send(request)
        return wire.answer()


def test_nor_when_half_of_the_answer_came(front: Front) -> None:
    def breaks_off(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False

    for copy in copies(front):
        copy.behave = breaks_off
    before = front.arrived()
    with connected(front) as wire:
        wire.send(REQUESTS["POST"])
        assert _is_broken(wire)
    assert front.arrived_since(before) == ["/api/v1/payments/7"]


def _is_broken(wire: Wire) -> bool:
    reply = wire.answer()
    return reply is None or reply.status >= 500


def test_a_copy_that_refuses_connections_costs_no_request(front: Front) -> None:
    before = front.arrived()
    front.echo("orders-2").stop()
    statuses = [
        status_of(front, posted(b"{}") if number % 2 else head("GET /orders"))
        for number in range(60)
    ]
    assert statuses == [200] * 60
    assert front.arrived_since(before) == ["/api/v1/orders"] * 60
