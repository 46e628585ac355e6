"""AsyncAPI document of the WebSocket and of the messages that a connection receives."""

from typing import Any, Final

from valerix import __version__
from valerix.chassis.http.asyncapi import document_route
from valerix.chassis.http.raw import RawRoute
from valerix.contracts.events import BY_SOURCE, CONSUMERS, PREFIX, VERSION
from valerix.notifications.consumers import CONSUMER
from valerix.notifications.live import CONNECTED, MAX_ID, PATH

CHANNEL: Final = "live"
_DESCRIPTION: Final = """\
Live events over a WebSocket. Customers receive the events about themselves,
staff receive all events. The handshake carries an access token (`Authorization` header, \
or the cookie
of a browser). Message ids ascend. A client that reconnects with `lastEventId` misses no event and
receives none twice. Clients send nothing."""
_RECEIVED: Final = [
    name for source, names in BY_SOURCE.items() if CONSUMER in CONSUMERS[source] for name in names
]
_SINCE: Final = {
    "eventId": {
        "type": "string",
        "description": (
            "Source and id of the event, the same when it is published again under a new "
            "message id."
        ),
    }
}
"""Properties that messages of earlier versions lack."""
_TYPES: Final = [f"{PREFIX}{name}{VERSION}" for name in _RECEIVED]


def route() -> RawRoute:
    """`GET /asyncapi.json`."""
    return document_route(document())


def document() -> dict[str, Any]:
    """The AsyncAPI document of this service.

    It publishes nothing on the bus, so one channel is all.
    """
    connected = {
        "type": "object",
        "properties": {"complete": {"type": "boolean"}},
        "required": ["complete"],
    }
    event = {
        "type": "object",
        "description": "The data of the event, as the channel of its source describes it.",
    }
    messages = {
        "LiveConnected": _message(
            "The first message: whether all events since `lastEventId` follow",
            [CONNECTED],
            connected,
            {},
        ),
        "LiveEvent": _message("An event, as published on the bus", _TYPES, event, _SINCE),
    }
    query = {
        "lastEventId": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_ID,
            "description": "id of the last message received",
        }
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Valerix live events", "version": __version__},
        "defaultContentType": "application/json",
        "channels": {
            CHANNEL: {
                "address": PATH,
                "description": _DESCRIPTION,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {
                    "ws": {"method": "GET", "query": {"type": "object", "properties": query}}
                },
            }
        },
        "operations": {
            "tellLive": {"action": "send", "channel": {"$ref": f"#/channels/{CHANNEL}"}}
        },
        "components": {"messages": messages, "schemas": {}},
    }


def _message(
    summary: str, types: list[str], data: dict[str, Any], more: dict[str, Any]
) -> dict[str, Any]:
    """A message of the channel. `more`: optional properties."""
    properties = {
        "id": {"type": "integer"},
        **more,
        "type": {"type": "string", "enum": types},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "data": data,
    }
    required = [name for name in properties if name not in more]
    payload = {"type": "object", "properties": properties, "required": required}
    return {"summary": summary, "contentType": "application/json", "payload": payload}
