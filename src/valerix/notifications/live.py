"""`WS /ws`: who may connect, and one connection from its first message to its last.

Messages to the client are JSON texts `{id, type, subject, time, data}`, ids ascending. The first has the type
CONNECTED: its id is where the client's events begin, and `data.complete` tells whether all of those since
`?lastEventId=` follow; if not, they lie further back than is kept, and what the client shows has to be read anew.
Clients send nothing.
A client that comes back with the last id it has seen misses nothing and gets nothing twice.
"""

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from valerix.chassis import door, telemetry
from valerix.chassis.auth import Principal, Verifier, require
from valerix.chassis.database import CommitOutcomeUnknown
from valerix.chassis.problems import FieldError, Forbidden, Invalid, Problem
from valerix.contracts.events import PREFIX, VERSION
from valerix.contracts.roles import ANYONE, CUSTOMER, PUBLIC
from valerix.notifications.hub import Hub, Lagging

PATH: Final = "/ws"
BEARER: Final = "valerix.bearer."
"""Browsers set no headers on a WebSocket: they offer this subprotocol, followed by the token."""
CONNECTED: Final = f"{PREFIX}live.connected{VERSION}"
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
MAX_ID: Final = 2**63 - 1
GONE: Final = (OSError, WebSocketDisconnect, RuntimeError)
"""What sending raises when the connection is closed or being closed; the last from uvicorn after a missed heartbeat."""

log = structlog.get_logger()
Socket = WebSocket[Any, Any, Any]


class SocketNotAllowed(Forbidden):
    code = "origin_not_allowed"


class Gate:
    """Decides who may connect."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = origins

    def check(self, socket: Socket, verifier: Verifier) -> Principal:
        """The caller. Raises SocketNotAllowed, Unauthenticated, Forbidden.

        A page of another origin may not open sockets in its visitor's name, whatever it has got hold of.
        """
        origin = socket.headers.get("origin")
        if origin is not None and origin not in self._origins and urlsplit(origin).netloc != socket.headers.get("host"):
            raise SocketNotAllowed("Pages of this origin may not connect")
        principal = _authenticate(socket, verifier)
        require(principal, ANYONE)
        return principal


@websocket(PATH, access=PUBLIC)
async def live(socket: Socket, hub: Hub, gate: Gate, verifier: Verifier) -> None:
    """A customer sees their own events, the staff all."""
    telemetry.trace_id.set(telemetry.new_trace_id())
    try:
        principal = gate.check(socket, verifier)
        last_event_id = _last_event_id(socket)
        with hub.admitted(principal.subject):
            after, complete = await hub.begin(last_event_id)
            await socket.accept(subprotocols=_chosen(socket))
            await _serve(socket, hub, principal, after, complete, verifier)
    except (Problem, CommitOutcomeUnknown) as error:
        await _refuse(socket, error)


async def _serve(
    socket: Socket, hub: Hub, principal: Principal, after: int, complete: bool, verifier: Verifier
) -> None:
    """Until the client goes, misbehaves, does not keep up, or is signed out."""
    owner = principal.owner_id or "" if principal.role == CUSTOMER else None
    work = {
        asyncio.create_task(_write(socket, hub, owner, after, complete)),
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


async def _until_signed_out(principal: Principal, verifier: Verifier) -> int:
    while verifier.still_holds(principal):  # noqa: ASYNC110 - time passes, and a list changes that knows nobody
        await asyncio.sleep(RECHECK_SECONDS)
    return SIGNED_OUT


async def _write(socket: Socket, hub: Hub, owner: str | None, after: int, complete: bool) -> int | None:
    """Send what was missed, then what comes; the code to close with, None when the client has gone."""
    try:
        await _send(socket, _connected(after, complete))
        async with aclosing(hub.follow(owner, after)) as texts:
            async for text in texts:
                await _send(socket, text)
    except (Lagging, TimeoutError, Problem, CommitOutcomeUnknown) as error:
        log.info("live client put off", reason=type(error).__name__)
    except GONE:
        return None
    return TRY_AGAIN_LATER


async def _read(socket: Socket) -> int | None:
    """Notice that the client goes; the code to close with when it talks instead."""
    message = await socket.receive()
    return None if message["type"] == "websocket.disconnect" else POLICY_VIOLATION


async def _send(socket: Socket, text: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_text(text)


async def _close(socket: Socket, code: int) -> None:
    """A client that does not read may not even take this; the connection ends all the same."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(code, REASONS[code])
    except (TimeoutError, *GONE):
        return


async def _refuse(socket: Socket, error: Exception) -> None:
    """Answer the handshake with a problem document."""
    response = door.problem_response(door.to_problem(error))
    headers = [(b"content-type", response.media_type), *response.headers]
    start: Any = {"type": "websocket.http.response.start", "status": response.status, "headers": headers}
    body: Any = {"type": "websocket.http.response.body", "body": response.body, "more_body": False}
    await socket.send(start)
    await socket.send(body)


def _connected(after: int, complete: bool) -> str:
    now = datetime.now(UTC)
    shown = {"id": after, "type": CONNECTED, "subject": "live", "time": now, "data": {"complete": complete}}
    return msgspec.json.encode(shown).decode()


def _authenticate(socket: Socket, verifier: Verifier) -> Principal:
    """By bearer token, else by cookie: with it came the Origin of a page of ours, so no CSRF token is asked for."""
    offered = (name for name in socket.scope["subprotocols"] if name.startswith(BEARER))
    bearer = socket.headers.get("authorization") or next(
        (f"Bearer {name.removeprefix(BEARER)}" for name in offered), None
    )
    cookie = socket.headers.get("cookie")
    return verifier.verify(bearer) if bearer or not cookie else verifier.verify_cookie(cookie)


def _chosen(socket: Socket) -> str | None:
    """A browser gives up unless one of its subprotocols is chosen; the one with the token only if there is no other."""
    return next(iter(sorted(socket.scope["subprotocols"], key=lambda name: name.startswith(BEARER))), None)


def _last_event_id(socket: Socket) -> int | None:
    text = socket.query_params.get("lastEventId")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_ID):
        message = "Expected the id of the last event you have seen"
        raise Invalid(message, [FieldError("/lastEventId", message)])
    return int(text)
