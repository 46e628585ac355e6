"""`WS /ws`: the messages of a connection, from the first to the last.

Messages to the client are JSON texts `{id, eventId, type, subject, time, data}`, ids ascending.
Clients send nothing.

The first message has the type CONNECTED. The client's events begin after its id, and
`data.complete` says whether all events since `?lastEventId=` follow. If not, they are older than
what is kept, and the client has to read what it shows anew.

A client that reconnects with the last id it has seen misses nothing and gets nothing twice. An
event that is published again (`valerix bus replay`) has the same `eventId` as before.
"""

from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
import structlog

from valerix.chassis.base.problems import FieldError, Invalid, Problem
from valerix.chassis.http.sockets import GONE, TRY_AGAIN_LATER, Places, Socket
from valerix.chassis.identity.tokens import Principal
from valerix.chassis.postgres.database import CommitOutcomeUnknown
from valerix.contracts.events import PREFIX, VERSION
from valerix.contracts.roles import CUSTOMER
from valerix.notifications.hub import Hub, Lagging

PATH: Final = "/ws"
CONNECTED: Final = f"{PREFIX}live.connected{VERSION}"
MAX_ID: Final = 2**63 - 1

log = structlog.get_logger()


async def serve(hub: Hub, places: Places, socket: Socket) -> None:
    """Serves one connection: customers see their own events, staff see all."""
    last_event_id = _last_event_id(socket)
    with places.one(socket.principal.subject):
        after, complete = await hub.begin(last_event_id)
        await socket.accept()
        await socket.serve(partial(_write, socket, hub, _owner(socket.principal), after, complete))


def _owner(principal: Principal) -> str | None:
    return principal.owner_id or "" if principal.role == CUSTOMER else None


async def _write(
    socket: Socket, hub: Hub, owner: str | None, after: int, complete: bool
) -> int | None:
    """Send missed events, then new ones.

    Returns the code to close with; None when the client has gone.
    """
    try:
        await socket.send(_connected(after, complete))
        async with aclosing(hub.follow(owner, after)) as texts:
            async for text in texts:
                await socket.send(text)
    except (Lagging, TimeoutError, Problem, CommitOutcomeUnknown) as error:
        log.info("live client put off", reason=type(error).__name__)
    except GONE:
        return None
    return TRY_AGAIN_LATER


def _connected(after: int, complete: bool) -> str:
    now = datetime.now(UTC)
    shown = {
        "id": after,
        "type": CONNECTED,
        "subject": "live",
        "time": now,
        "data": {"complete": complete},
    }
    return msgspec.json.encode(shown).decode()


def _last_event_id(socket: Socket) -> int | None:
    text = socket.parameter("lastEventId")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_ID):
        message = "Expected the id of the last event received"
        raise Invalid(message, [FieldError("/lastEventId", message)])
    return int(text)
