"""AsyncAPI: the WebSocket, and the messages a connection gets."""

from typing import Any, Final

from valerix import __version__
from valerix.chassis.http.asyncapi import document_route
from valerix.chassis.http.raw import RawRoute
from valerix.contracts.events import BY_SOURCE, CONSUMERS, PREFIX, VERSION
from valerix.notifications.consumers import CONSUMER
from valerix.notifications.live import CONNECTED, MAX_ID, PATH

CHANNEL: Final = "live"
_DESCRIPTION: Final = """Live events over a WebSocket: customers get those about themselves, staff all. The handshake
carries an access token (`Authorization`, or the cookie of a browser). Message ids ascend; a client that comes back
with `lastEventId` misses nothing and gets nothing twice. Clients send nothing."""
_HEARD: Final = [name for source, names in BY_SOURCE.items() if CONSUMER in CONSUMERS[source] for name in names]
_SINCE: Final = {
    "eventId": {
        "type": "string",
        "description": "Source and id of the event: the same when it is published again, under another message id.",
    }
}
"""Properties that messages of a version before lack."""
_TYPES: Final = [f"{PREFIX}{name}{VERSION}" for name in _HEARD]


def route() -> RawRoute:
    """`GET /asyncapi.json`."""
    return document_route(document())


def document() -> dict[str, Any]:
    """Of this service: it tells nothing on the bus."""
    connected = {"type": "object", "properties": {"complete": {"type": "boolean"}}, "required": ["complete"]}
    event = {"type": "object", "description": "The data of the event, as the channel of its source describes it."}
    messages = {
        "LiveConnected": _message(
            "The first: whether all events since `lastEventId` follow", [CONNECTED], connected, {}
        ),
        "LiveEvent": _message("An event, as it is told on the bus", _TYPES, event, _SINCE),
    }
    query = {"lastEventId": {"type": "integer", "minimum": 0, "maximum": MAX_ID, "description": "id of the last seen"}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Valerix live events", "version": __version__},
        "defaultContentType": "application/json",
        "channels": {
            CHANNEL: {
                "address": PATH,
                "description": _DESCRIPTION,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "query": {"type": "object", "properties": query}}},
            }
        },
        "operations": {"tellLive": {"action": "send", "channel": {"$ref": f"#/channels/{CHANNEL}"}}},
        "components": {"messages": messages, "schemas": {}},
    }


def _message(summary: str, types: list[str], data: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`more`: properties that a message may lack."""
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
