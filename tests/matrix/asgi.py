"""Calls an ASGI app as the server does, without a connection (tests/matrix/test_asgi.py compares
the two).
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from typing import Any
from urllib.parse import unquote, urlsplit

from litestar.types import ASGIApp

from tests.support.api import Answer, answer_of

CLIENT = ("127.0.0.1", 50_000)
NORMAL_CLOSURE = 1000
Headers = Sequence[tuple[str, str]]
Message = dict[str, Any]


async def request(
    app: ASGIApp, method: str, url: str, headers: Headers, body: bytes | None
) -> Answer:
    """Returns the app's answer to one HTTP request."""
    exchange = _HttpExchange(body or b"")
    await _run(app, http_scope(method, url, headers, body), exchange)
    return exchange.answer(method)


async def handshake(app: ASGIApp, url: str, headers: Headers) -> int:
    """Returns the status of a WebSocket handshake; the client closes an accepted connection
    immediately.
    """
    exchange = _SocketExchange()
    await _run(app, socket_scope(url, headers), exchange)
    assert exchange.status, "the app returned without an answer"
    return exchange.status


async def _run(app: ASGIApp, scope: Message, exchange: "_HttpExchange | _SocketExchange") -> None:
    """Runs the app in a new task and context, so that context variables stay with the request."""
    # Litestar's types list the keys of a message.
    call: Any = app(scope, exchange.receive, exchange.send)  # type: ignore[arg-type]
    await asyncio.create_task(call, context=Context())


def http_scope(method: str, url: str, headers: Headers, body: bytes | None) -> Message:
    length = [] if body is None else [("content-length", str(len(body)))]
    return _scope(url, [*headers, *length]) | {"type": "http", "method": method, "scheme": "http"}


def socket_scope(url: str, headers: Headers) -> Message:
    """Builds the scope of a handshake. Another library parses handshakes and strips the values of
    headers.
    """
    offered = [value for name, value in headers if name.lower() == "sec-websocket-protocol"]
    return _scope(url, [(name, value.strip(" \t")) for name, value in headers]) | {
        "type": "websocket",
        "scheme": "ws",
        "subprotocols": [name.strip() for value in offered for name in value.split(",")],
        "extensions": {"websocket.http.response": {}},
    }


def _scope(url: str, headers: Headers) -> Message:
    """Builds the part that both kinds of scope share. The state is empty: only an injected crash
    uses the connection in it.
    """
    parts = urlsplit(url)
    return {
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "server": (parts.hostname, parts.port),
        "client": CLIENT,
        "root_path": "",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii"),
        "query_string": parts.query.encode("ascii"),
        "headers": [_raw("host", parts.netloc), *(_raw(name, value) for name, value in headers)],
        "state": {},
    }


def _raw(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")


class _HttpExchange:
    """The messages of one HTTP request."""

    def __init__(self, body: bytes) -> None:
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._start: Message = {}
        self._body: list[bytes] = []
        self._complete = asyncio.Event()

    async def receive(self) -> Message:
        """Returns the body, then the end of the connection once the answer is complete."""
        message, self._request = self._request, None
        if message is None:
            await self._complete.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        assert not self._complete.is_set(), "the app sent a message after the end of its answer"
        if message["type"] == "http.response.start":
            assert not self._start, "the app started its answer twice"
            self._start = message
            return
        assert self._start, "the app sent a body before its status"
        self._body.append(message.get("body", b""))
        if not message.get("more_body", False):
            self._complete.set()

    def answer(self, method: str) -> Answer:
        """Returns the answer as a client reads it; a client detects a wrong length, too."""
        assert self._complete.is_set(), "the answer is not complete"
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._start["headers"]
        ]
        body = b"".join(self._body)
        assert method != "HEAD" or not body
        answer = answer_of(self._start["status"], headers, body)
        if method != "HEAD" and answer.status != 304:
            assert answer.headers.get("content-length", str(len(body))) == str(len(body))
        return answer


class _SocketExchange:
    """The messages of one WebSocket handshake, and of its close if it is accepted."""

    def __init__(self) -> None:
        self.status = 0
        self._connected = False
        self._accepted = asyncio.Event()

    async def receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        await self._accepted.wait()
        return {"type": "websocket.disconnect", "code": NORMAL_CLOSURE}

    async def send(self, message: Message) -> None:
        """Stores the answer; later messages are lost, as on a connection that the client closes."""
        if message["type"] == "websocket.accept":
            self.status = 101
            self._accepted.set()
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
