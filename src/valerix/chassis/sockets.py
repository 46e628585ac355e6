"""WebSockets that tell and are not told: who may connect, and one connection from its handshake to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from valerix.chassis import door
from valerix.chassis.auth import Principal, Verifier, require
from valerix.chassis.problems import Forbidden

BEARER: Final = "valerix.bearer."
"""Browsers set no headers on a WebSocket: they offer this subprotocol, followed by the token."""
POLICY_VIOLATION, TRY_AGAIN_LATER, SIGNED_OUT = 1008, 1013, 4401
REASONS: Final = {
    POLICY_VIOLATION: "clients send nothing here",
    TRY_AGAIN_LATER: "come back with your last event id",
    SIGNED_OUT: "the access token has expired or was revoked",
}
RECHECK_SECONDS: Final = 1.0
"""How often an open connection is looked at again: its session may have ended."""
SEND_SECONDS: Final = 10.0
"""How long a client may take to make room for one message."""
CLOSE_SECONDS: Final = 2.0
GONE: Final = (OSError, WebSocketDisconnect, RuntimeError)
"""What sending raises when the connection is closed or being closed; the last from uvicorn after a missed heartbeat."""

Socket = WebSocket[Any, Any, Any]


class SocketNotAllowed(Forbidden):
    code = "origin_not_allowed"


class Gate:
    """Decides who may connect."""

    def __init__(self, origins: Collection[str], access: frozenset[str]) -> None:
        self._origins = origins
        self._access = access

    def check(self, socket: Socket, verifier: Verifier) -> Principal:
        """The caller. Raises SocketNotAllowed, Unauthenticated, Forbidden.

        A page of another origin may not open sockets in its visitor's name, whatever it has got hold of.
        """
        origin = socket.headers.get("origin")
        if origin is not None and origin not in self._origins and urlsplit(origin).netloc != socket.headers.get("host"):
            raise SocketNotAllowed("Pages of this origin may not connect")
        principal = _authenticate(socket, verifier)
        require(principal, self._access)
        return principal


async def accept(socket: Socket) -> None:
    """A browser gives up unless one of its subprotocols is chosen; the one with the token only if there is no other."""
    offered = sorted(socket.scope["subprotocols"], key=lambda name: name.startswith(BEARER))
    await socket.accept(subprotocols=next(iter(offered), None))


async def serve(
    socket: Socket, principal: Principal, verifier: Verifier, write: Callable[[], Awaitable[int | None]]
) -> None:
    """Until the client goes, misbehaves or is signed out, or `write` ends with the code to close with."""
    work = {
        asyncio.ensure_future(write()),
        asyncio.create_task(_read(socket)),
        asyncio.create_task(_until_signed_out(principal, verifier)),
    }
    done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    for task in work - done:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    code = next(task.result() for task in done)
    if code is not None:
        await _close(socket, code)


async def send(socket: Socket, text: str) -> None:
    """Raises TimeoutError when the client makes no room, GONE when it has gone."""
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_text(text)


async def refuse(socket: Socket, error: Exception) -> None:
    """Answer the handshake with a problem document."""
    response = door.problem_response(door.to_problem(error))
    headers = [(b"content-type", response.media_type), *response.headers]
    start: Any = {"type": "websocket.http.response.start", "status": response.status, "headers": headers}
    body: Any = {"type": "websocket.http.response.body", "body": response.body, "more_body": False}
    await socket.send(start)
    await socket.send(body)


async def _until_signed_out(principal: Principal, verifier: Verifier) -> int:
    while verifier.still_holds(principal):  # noqa: ASYNC110 - time passes, and a list changes that knows nobody
        await asyncio.sleep(RECHECK_SECONDS)
    return SIGNED_OUT


async def _read(socket: Socket) -> int | None:
    """Notice that the client goes; the code to close with when it talks instead."""
    message = await socket.receive()
    return None if message["type"] == "websocket.disconnect" else POLICY_VIOLATION


async def _close(socket: Socket, code: int) -> None:
    """A client that does not read may not even take this; the connection ends all the same."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code, REASONS[code])
    except (TimeoutError, *GONE):
        return


def _authenticate(socket: Socket, verifier: Verifier) -> Principal:
    """By bearer token, else by cookie: with it came the Origin of a page of ours, so no CSRF token is asked for."""
    offered = (name for name in socket.scope["subprotocols"] if name.startswith(BEARER))
    bearer = socket.headers.get("authorization") or next(
        (f"Bearer {name.removeprefix(BEARER)}" for name in offered), None
    )
    cookie = socket.headers.get("cookie")
    return verifier.verify(bearer) if bearer or not cookie else verifier.verify_cookie(cookie)
