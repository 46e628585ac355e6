"""WebSockets that only send: their access, and one connection from its handshake to its end.

Every connection is kept small, because there are thousands of them: plain ASGI, two tasks, and one
check of all of them each second instead of a timer for each.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from litestar.types import Receive, Send
from prometheus_client import Gauge

from valerix.chassis.base.problems import Forbidden, TooMany, Unavailable
from valerix.chassis.http import edge
from valerix.chassis.identity.tokens import Principal
from valerix.chassis.identity.verifier import Verifier, require
from valerix.contracts.roles import Access

BEARER: Final = "valerix.bearer."
"""Browsers set no headers on a WebSocket. They offer this subprotocol, followed by the token."""
POLICY_VIOLATION, TRY_AGAIN_LATER, SIGNED_OUT = 1008, 1013, 4401
REASONS: Final = {
    POLICY_VIOLATION: "clients send nothing here",
    TRY_AGAIN_LATER: "reconnect with your last event id",
    SIGNED_OUT: "the access token has expired or was revoked",
}
MAX_PER_SUBJECT: Final = 32
SEND_SECONDS: Final = 10.0
"""How long a client may take to receive one message."""
CLOSE_SECONDS: Final = 2.0
GONE: Final = (OSError, RuntimeError)
"""The errors of a send on a closed or closing connection.

uvicorn raises the second after a missed heartbeat.
"""


class SocketNotAllowed(Forbidden):
    code = "origin_not_allowed"


class TooManySockets(TooMany):
    code = "too_many_sockets"


class Places:
    """The capacity of this replica for connections, in total and per person.

    `taken` shows the current number.
    """

    def __init__(self, most: int, taken: Gauge) -> None:
        self._most = most
        self._taken = taken
        self._subjects: Counter[str] = Counter()

    @contextmanager
    def one(self, subject: str) -> Iterator[None]:
        """Reserves a place for a connection of `subject`. Raises TooManySockets, Unavailable."""
        if self._subjects[subject] >= MAX_PER_SUBJECT:
            raise TooManySockets("Close some of your other connections first")
        if self._subjects.total() >= self._most:
            raise Unavailable("This replica has no capacity for another connection")
        self._subjects[subject] += 1
        self._taken.inc()
        try:
            yield
        finally:
            self._taken.dec()
            self._subjects -= Counter([subject])  # drops counts of zero


class OpenSockets:
    """The connections of this process. It ends a connection when its session has ended."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._open: set[Socket] = set()

    def add(self, socket: "Socket") -> None:
        self._open.add(socket)

    def discard(self, socket: "Socket") -> None:
        self._open.discard(socket)

    def recheck(self) -> None:
        """Must be called regularly: sessions end, and tokens expire."""
        for socket in self._open:
            if not self._verifier.still_holds(socket.principal):
                socket.end(SIGNED_OUT)


class Socket:
    """One connection, from its handshake on.

    `scope` holds the data of the handshake, until the connection is accepted.
    """

    __slots__ = (
        "_code",
        "_ended",
        "_receive",
        "_send",
        "_sockets",
        "_task",
        "accepted",
        "principal",
        "scope",
    )

    principal: Principal
    """Known after admission."""

    def __init__(self, scope: Any, receive: Receive, send: Send, sockets: OpenSockets) -> None:
        self.scope = scope
        self.accepted = False
        self._receive = receive
        self._send: Any = send
        self._sockets = sockets
        # A connection is always created in a task.
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._ended = False
        self._code: int | None = None

    def parameter(self, name: str) -> str | None:
        """A parameter of the query string."""
        return dict(
            parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        ).get(name)

    async def accept(self) -> None:
        """Accepts the handshake. A browser gives up unless one of its subprotocols is chosen.

        The subprotocol with the token is chosen only if there is no other.
        """
        offered = sorted(self.scope["subprotocols"], key=lambda name: name.startswith(BEARER))
        await self._receive()  # the request to connect
        await self._send({"type": "websocket.accept", "subprotocol": next(iter(offered), None)})
        self.accepted = True

    async def refuse(self, error: Exception) -> None:
        """Answers the handshake with a problem document."""
        response = edge.problem_response(edge.to_problem(error))
        headers = [(b"content-type", response.media_type), *response.headers]
        await self._send(
            {"type": "websocket.http.response.start", "status": response.status, "headers": headers}
        )
        await self._send(
            {"type": "websocket.http.response.body", "body": response.body, "more_body": False}
        )

    async def serve(self, write: Callable[[], Awaitable[int | None]]) -> None:
        """Runs until the client goes, misbehaves or is signed out, or until `write` ends.

        `write` returns the code to close with.
        """
        reading = asyncio.create_task(self._read())
        self._sockets.add(self)
        try:
            code = await write()
        except asyncio.CancelledError:
            if not self._ended:
                raise
            self._task.uncancel()
            code = self._code
        finally:
            self._sockets.discard(self)
            reading.cancel()
        if code is not None:
            await self._close(code)

    def end(self, code: int | None) -> None:
        """Ends `serve` now. `code`: to close with; None when the client has gone."""
        if not self._ended:
            self._ended, self._code = True, code
            self._task.cancel()

    async def send(self, text: str) -> None:
        """Sends a message.

        Raises TimeoutError when the client does not receive it, GONE when the client has gone.
        """
        async with asyncio.timeout(SEND_SECONDS):
            await self._send({"type": "websocket.send", "text": text})

    async def _read(self) -> None:
        """Ends the connection when the client goes, or sends a message."""
        message = await self._receive()
        self.end(None if message["type"] == "websocket.disconnect" else POLICY_VIOLATION)

    async def _close(self, code: int) -> None:
        """Sends the close code.

        A client that does not read may not even take this; the connection ends regardless.
        """
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": code, "reason": REASONS[code]})
        except (TimeoutError, *GONE):
            return


class SocketRoute(NamedTuple):
    """`WS path` for the roles of `access`, and for pages of the host itself or of `origins`."""

    path: str
    access: Access
    origins: Collection[str]
    handle: Callable[[Socket], Awaitable[None]]

    def let_in(self, socket: Socket, verifier: Verifier) -> None:
        """Sets the principal. Raises SocketNotAllowed, Unauthenticated, Forbidden.

        A page of another origin may not open sockets in its visitor's name, whatever token it has
        obtained.
        """
        headers = {name: value.decode("latin-1") for name, value in socket.scope["headers"]}
        origin = headers.get(b"origin")
        if (
            origin is not None
            and origin not in self.origins
            and urlsplit(origin).netloc != headers.get(b"host")
        ):
            raise SocketNotAllowed("Pages of this origin may not connect")
        socket.principal = _authenticate(headers, socket.scope["subprotocols"], verifier)
        require(socket.principal, self.access)


def _authenticate(
    headers: dict[bytes, str], subprotocols: list[str], verifier: Verifier
) -> Principal:
    """The person by bearer token, otherwise by cookie.

    A cookie needs no CSRF token here: the check of the Origin comes first.
    """
    offered = (name for name in subprotocols if name.startswith(BEARER))
    bearer = headers.get(b"authorization") or next(
        (f"Bearer {name.removeprefix(BEARER)}" for name in offered), None
    )
    cookie = headers.get(b"cookie")
    return verifier.verify(bearer) if bearer or not cookie else verifier.verify_cookie(cookie)
