"""Errors of the gateway itself."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from tests.gateway.front import QUICK, Front, started
from tests.gateway.scripted import ScriptedService, closes
from tests.gateway.services import EchoService
from tests.gateway.wire import ATTACKER, Reply, Wire, asked, chunked, connected, head, status_of
from tests.support.eventually import until_blocking
from valerix.launcher.gateways import contract
from valerix.launcher.gateways.contract import OwnError
from valerix.launcher.settings import GatewayName

TRACE_ID = re.compile("[0-9a-f]{32}")


def _misbehaves(connection: socket.socket, request: bytes) -> bool:
    if b"/garbage" in request:
        connection.sendall(b"nonsense\r\n\r\n")
    if b"/silent" in request:
        connection.recv(1)
    return closes(connection, request)


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    unwell = EchoService("users-1")
    unwell.ready = False
    services = [
        EchoService("orders-1"),
        ScriptedService("payments-1", _misbehaves),
        unwell,
        EchoService("console-1"),
    ]
    folder = tmp_path_factory.mktemp("errors")
    with started(
        gateway,
        folder,
        None,
        QUICK,
        services,
        gateway_rate=40,
        gateway_in_flight=3,
        gateway_capacity=1,
    ) as front:
        until_blocking(
            lambda: front.get("/users")[0] == 503, "the gateway considers the service down"
        )
        yield front


def _get(path: str, *headers: str) -> Callable[[Front], Reply | None]:
    return lambda front: asked(front, head(f"GET {path}", *headers))


def _sent(*parts: bytes) -> Callable[[Front], Reply | None]:
    return lambda front: asked(front, *parts)


def _over_the_rate(front: Front) -> Reply | None:
    with ExitStack() as stack:
        wires = [stack.enter_context(connected(front, ATTACKER)) for _ in range(150)]
        for wire in wires:
            wire.send(head("GET /api/v1/chaos"))
        refused = [reply for wire in wires if (reply := wire.answer()) and reply.status != 200]
        return next(
            reply
            for reply in refused
            if b"open" not in reply.body and b"connections" not in reply.body
        )


def _beside(
    path: str, count: int, again: str, source: str = "127.0.0.3"
) -> Callable[[Front], Reply | None]:
    """Returns a function that sends a request while `count` others wait."""

    def ask(front: Front) -> Reply | None:
        orders, console = front.echo("orders-1"), front.echo("console-1")
        waiting = [_begun(front, path, source) for _ in range(count)]
        try:
            until_blocking(
                lambda: orders.holding + console.holding == count,
                "the waiting requests have arrived",
            )
            return asked(front, head(f"GET {again}"), source=source)
        finally:
            for service in (orders, console):
                service.going_on.set()
            for connection in waiting:
                connection.close()
            until_blocking(
                lambda: orders.holding + console.holding == 0, "the waiting requests have ended"
            )
            for service in (orders, console):
                service.going_on.clear()

    return ask


def _begun(front: Front, path: str, source: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", front.port), 30, (source, 0))
    Wire(connection).send(head(f"GET {path}?held"))
    return connection


CASES: dict[str, tuple[OwnError, Callable[[Front], Reply | None]]] = {
    "unknown path": (contract.NOT_FOUND, _get("/unknown")),
    "encoded slash": (contract.INVALID, _get("/orders%2f7")),
    "half a body": (contract.TOO_SLOW, _sent(head("POST /orders", "Content-Length: 10"), b"half")),
    "half a chunk": (
        contract.TOO_SLOW,
        _sent(head("POST /orders", "Transfer-Encoding: chunked"), b"a\r\nhalf"),
    ),
    "too large": (
        contract.TOO_LARGE,
        _sent(head("POST /orders", f"Content-Length: {contract.BODY_BYTES + 1}")),
    ),
    "too large in chunks": (contract.TOO_LARGE, _sent(chunked(b"x" * (contract.BODY_BYTES + 1)))),
    "large headers": (
        contract.HEADERS_TOO_LARGE,
        _get("/orders", *[f"X-{n}: {'x' * 1000}" for n in range(40)]),
    ),
    "rate": (contract.RATE_LIMITED, _over_the_rate),
    "too many open": (contract.TOO_MANY_OPEN, _beside("/api/v1/chaos", 3, "/api/v1/chaos")),
    "too many for a service": (contract.OVERLOADED, _beside("/orders", 1, "/orders")),
    "service closes": (contract.BAD_GATEWAY, _get("/payments/closes")),
    "service talks nonsense": (contract.BAD_GATEWAY, _get("/payments/garbage")),
    "no copy": (contract.UNAVAILABLE, _get("/users")),
    "no answer": (contract.TIMED_OUT, _get("/payments/silent")),
}


Replies = Callable[[str], tuple[OwnError, Reply]]


@pytest.fixture(scope="module")
def replies(front: Front) -> Replies:
    """Provides the reply by name of a case; each case is sent once for all tests."""

    @cache
    def reply_to(name: str) -> tuple[OwnError, Reply]:
        expected, ask = CASES[name]
        reply = ask(front)
        assert reply, "the connection ended without an answer"
        return expected, reply

    return reply_to


@pytest.mark.parametrize("name", CASES)
def test_an_error_of_its_own_is_a_problem_document(replies: Replies, name: str) -> None:
    expected, reply = replies(name)
    assert (reply.status, reply.headers["Content-Type"]) == (
        expected.status,
        "application/problem+json",
    )
    document = reply.document()
    assert TRACE_ID.fullmatch(document.pop("traceId"))
    assert document == expected.document()


def test_an_error_of_its_own_has_the_trace_of_its_request(front: Front) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    reply = asked(front, head("GET /unknown", f"traceparent: 00-{trace}-00f067aa0ba902b7-01"))
    assert reply
    assert trace.encode() in reply.body


@pytest.mark.parametrize("name", CASES)
def test_an_error_of_its_own_is_4xx_or_5xx(replies: Replies, name: str) -> None:
    """4xx stands for an error of the client, 5xx for any other."""
    expected, reply = replies(name)
    assert reply.status // 100 == expected.status // 100 or {reply.status, expected.status} == {
        429,
        503,
    }


@pytest.mark.parametrize("name", CASES)
def test_an_error_of_its_own_has_the_security_headers(replies: Replies, name: str) -> None:
    _, reply = replies(name)
    for header, value in (contract.security_headers(None) | contract.API_HEADERS).items():
        assert reply.headers.get_all(header) == [value]
    assert "Server" not in reply.headers


@pytest.mark.parametrize("name", CASES)
def test_retry_after_is_said_where_waiting_helps(replies: Replies, name: str) -> None:
    expected, reply = replies(name)
    assert reply.headers.get("Retry-After") == (
        str(expected.retry_after) if expected.retry_after else None
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        head("GET /orders", "Host: other"),
        head("GET /orders", *["X: " + "x" * 1000] * 200),
    ],
    ids=["nonsense", "two hosts", "huge headers"],
)
def test_what_cannot_be_read_is_answered_4xx(front: Front, sent: bytes) -> None:
    """The gateway program itself refuses it, with its own text: no configured rule applies."""
    assert status_of(front, sent) in (400, 431)


def test_half_a_head_is_answered_408_or_not_at_all(front: Front) -> None:
    assert status_of(front, b"GET /orders HTTP/1.1\r\nHost: local") in (0, 408)


def test_errors_of_a_service_pass_unchanged(front: Front) -> None:
    service = front.services["payments-1"]
    assert isinstance(service, ScriptedService)
    said = b'{"code":"out_of_stock"}'

    def refuses(connection: socket.socket, request: bytes) -> bool:
        line = (
            b"HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\nRetry-After: 7\r\n"
        )
        connection.sendall(line + b"Content-Length: %d\r\n\r\n" % len(said) + said)
        return True

    service.behave = refuses
    try:
        reply = asked(front, head("GET /payments"))
    finally:
        service.behave = _misbehaves
    assert reply
    assert (reply.status, reply.headers["Retry-After"], reply.body) == (409, "7", said)


def test_a_connection_that_says_nothing_ends_without_an_answer(front: Front) -> None:
    with connected(front) as wire:
        assert wire.answer() is None
