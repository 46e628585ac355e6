"""Unfinished requests do not delay other requests, and they end."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.gateway.front import Front, started
from tests.gateway.http2 import RESET, http2
from tests.gateway.wire import ATTACKER, Wire, connected, head, posted, status_of
from valerix.launcher import certificates, processes
from valerix.launcher.gateways.contract import BODY_BYTES, GatewayTimeouts
from valerix.launcher.settings import GatewayName

ATTEMPTS = 640
"""Number of connections: more than the concurrency limit of any service."""
BEGUN = [1, BODY_BYTES - 1]
MEMORY_BYTES = 200 * 1024 * 1024
GIVEN_UP = (0, 408, 429, 499, 500)
"""Statuses that the attacker may get; 0: the connection ends. Never 503, which other clients would
get, too.
"""
HALF_HELLO = bytes.fromhex("1603010100010000fc0303") + b"\0" * 40
DECLARED, UNDECLARED = ("content-length", str(BODY_BYTES)), ("accept", "*/*")
SHORT = GatewayTimeouts(head=1, body=1, answer=5)


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with started(gateway, tmp_path_factory.mktemp("arriving"), None, SHORT) as front:
        yield front


@pytest.fixture(scope="module")
def secured(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("arriving with TLS")
    with started(gateway, folder, certificates.generated(folder / "tls"), SHORT) as front:
        yield front


@contextmanager
def begun(front: Front, sent: bytes) -> Iterator[list[Wire]]:
    with ExitStack() as stack:
        wires = [stack.enter_context(connected(front, ATTACKER)) for _ in range(ATTEMPTS)]
        for wire in wires:
            wire.send(sent)
        yield wires


def others_are_served(front: Front) -> None:
    before = front.arrived()
    statuses = [
        status_of(front, request)
        for _ in range(10)
        for request in (posted(b"{}"), head("GET /orders"))
    ]
    assert statuses == [200] * 20
    assert front.arrived_since(before) == ["/api/v1/orders"] * 20, (
        "no request of the attacker may arrive"
    )


def memory(front: Front) -> int:
    found = processes.family_bytes(front.process.pid)
    assert found
    return found


@pytest.mark.parametrize("sent", BEGUN)
def test_half_sent_bodies_take_no_place(front: Front, sent: int) -> None:
    request = head("POST /orders", f"Content-Length: {BODY_BYTES}") + b"x" * sent
    with begun(front, request) as wires:
        others_are_served(front)
        assert memory(front) < MEMORY_BYTES
        replies = [wire.answer() for wire in wires]
    assert {reply.status if reply else 0 for reply in replies} <= {*GIVEN_UP}
    others_are_served(front)


def test_half_sent_bodies_in_chunks_take_no_place(front: Front) -> None:
    request = (
        head("POST /orders", "Transfer-Encoding: chunked")
        + b"%x\r\n" % BODY_BYTES
        + b"x" * BEGUN[-1]
    )
    with begun(front, request) as wires:
        others_are_served(front)
        assert memory(front) < MEMORY_BYTES
        replies = [wire.answer() for wire in wires]
    assert {reply.status if reply else 0 for reply in replies} <= {*GIVEN_UP}


def test_half_sent_heads_take_no_place(front: Front) -> None:
    with begun(
        front, b"GET /orders HTTP/1.1\r\nHost: localhost\r\nX-More: " + b"x" * 8000
    ) as wires:
        others_are_served(front)
        assert memory(front) < MEMORY_BYTES
        replies = [wire.answer() for wire in wires]
    assert {reply.status if reply else 0 for reply in replies} <= {*GIVEN_UP}


@pytest.mark.parametrize(
    ("sent", "length"),
    [*((sent, DECLARED) for sent in BEGUN), (BEGUN[-1], UNDECLARED)],
    ids=["1", "all but 1", "open"],
)
def test_half_sent_streams_take_no_place(
    secured: Front, sent: int, length: tuple[str, str]
) -> None:
    statuses: list[int] = []
    with ExitStack() as stack:
        connections = [stack.enter_context(http2(secured, ATTACKER)) for _ in range(ATTEMPTS // 80)]
        for connection in connections:
            streams = [connection.ask("POST", "/orders", length, ends=False) for _ in range(80)]
            for stream in streams:
                connection.send(stream, b"x" * sent, ends=False)
        others_are_served(secured)
        assert memory(secured) < MEMORY_BYTES
        for connection in connections:
            connection.wait_for(set(range(1, 160, 2)))
            statuses += connection.statuses.values()
    assert {*statuses} <= {*GIVEN_UP, RESET}
    others_are_served(secured)


def test_half_handshakes_take_no_place(secured: Front) -> None:
    with ExitStack() as stack:
        for _ in range(ATTEMPTS):
            plain = socket.create_connection(("127.0.0.1", secured.port), 30, (ATTACKER, 0))
            stack.enter_context(plain)
            plain.sendall(HALF_HELLO)
        others_are_served(secured)
        assert memory(secured) < MEMORY_BYTES


def test_connections_that_say_nothing_take_no_place(secured: Front) -> None:
    with ExitStack() as stack:
        for _ in range(ATTEMPTS):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", secured.port), 30, (ATTACKER, 0))
            )
        others_are_served(secured)


def test_the_largest_body_arrives_whole_in_a_stream(secured: Front) -> None:
    body = b"0123456789abcdef" * (BODY_BYTES // 16)
    with http2(secured) as connection:
        stream = connection.ask("POST", "/orders", ("content-length", str(len(body))), ends=False)
        connection.send(stream, body, ends=True)
        connection.wait_for({stream})
    assert connection.statuses[stream] == 200
    assert body in connection.bodies[stream]


@pytest.mark.parametrize("more", [1, 300_000])
def test_a_larger_body_in_a_stream_is_refused(secured: Front, more: int) -> None:
    before = secured.arrived()
    with http2(secured) as connection:
        stream = connection.ask("POST", "/orders", ends=False)
        connection.send(stream, b"x" * (BODY_BYTES + more), ends=True)
        connection.wait_for({stream})
    assert connection.statuses.get(stream, RESET) in (413, RESET)
    assert secured.arrived() == before


def test_many_streams_of_one_connection_are_answered(secured: Front) -> None:
    with http2(secured) as connection:
        streams = {connection.ask("GET", f"/orders/{number}") for number in range(50)}
        connection.wait_for(streams)
    assert {connection.statuses[stream] for stream in streams} == {200}
