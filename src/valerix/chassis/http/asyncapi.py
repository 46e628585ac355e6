"""The AsyncAPI 3.0 document of a service: the events it publishes, generated from their types.

Each service describes its own events, as it does its HTTP API. The console merges these documents
into that of the platform.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from valerix import __version__
from valerix.chassis.description.openapi import ecma
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.contracts.events import (
    ACT_SOURCES,
    ACTS,
    BY_SOURCE,
    CONSUMERS,
    PREFIX,
    VERSION,
    Envelope,
)
from valerix.contracts.roles import PUBLIC

PATH: Final = "/asyncapi.json"
_SCHEMAS: Final = "#/components/schemas/"
_CONSTANTS: Final = {
    "specversion": {"const": "1.0"},
    "datacontenttype": {"const": "application/json"},
}
_CHANNEL: Final = """What {publisher} publishes, in batches: a message on the bus is a JSON array of
one or more of these events (`application/cloudevents-batch+json`). Messages arrive at least once,
events of one subject in the order of their `sequence`; a repeated event has the same `id`."""


def asyncapi_route(topics: Mapping[str, Mapping[str, type]]) -> RawRoute:
    """`/asyncapi.json` of a service.

    `topics`: the type of each event's data, by the event's topic and its name.
    """
    return document_route(_together([document(topic, data) for topic, data in topics.items()]))


def document_route(document: Mapping[str, Any]) -> RawRoute:
    """`/asyncapi.json` of a service that provides its own document."""
    body = msgspec.json.encode(document)

    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(200, body, [(b"cache-control", b"no-cache")])

    return RawRoute("GET", PATH, PUBLIC, answer)


def document(source: str, data: Mapping[str, type]) -> dict[str, Any]:
    """The document of one topic.

    Raises TypeError unless every event of `source`, and no other, has a type.
    """
    if set(data) != set(BY_SOURCE[source]):
        raise TypeError(
            f"{source} publishes {sorted(BY_SOURCE[source])}, but {sorted(data)} have a type"
        )
    references, schemas = msgspec.json.schema_components(
        [Envelope, *data.values()], ref_template=_SCHEMAS + "{name}"
    )
    schemas["Envelope"] = _envelope(schemas["Envelope"])
    for name, reference in zip(data, references[1:], strict=True):
        schemas[_type(name)] = _event(source, name, references[0], reference)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Valerix {source}", "version": __version__},
        "defaultContentType": "application/cloudevents+json",
        "channels": {source: _channel(source, data)},
        "operations": {
            f"tell{source.capitalize()}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{source}"},
            }
        },
        "components": {
            "messages": {_type(name): _message(name) for name in data},
            "schemas": ecma(schemas),
        },
    }


def _together(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merges the documents into the first one."""
    merged = documents[0]
    for more in documents[1:]:
        for part in ("channels", "operations"):
            merged[part] |= more[part]
        for part in ("messages", "schemas"):
            merged["components"][part] |= more["components"][part]
    return merged


def _type(name: str) -> str:
    return f"{PREFIX}{name}{VERSION}"


def _channel(source: str, data: Mapping[str, type]) -> dict[str, Any]:
    return {
        "address": source,
        "description": _CHANNEL.format(
            publisher="every service" if source == ACTS else f"the service `{source}`"
        ),
        "messages": {name: {"$ref": f"#/components/messages/{_type(name)}"} for name in data},
        "x-consumers": list(CONSUMERS[source]),
    }


def _message(name: str) -> dict[str, Any]:
    return {"name": _type(name), "title": name, "payload": {"$ref": f"{_SCHEMAS}{_type(name)}"}}


def _envelope(schema: dict[str, Any]) -> dict[str, Any]:
    """Declares the constant attributes as required.

    They are always sent, though the type has a default for them.
    """
    time = {"time": {"type": "string", "format": "date-time"}}
    properties = {**schema["properties"], **_CONSTANTS, **time}
    return {**schema, "properties": properties, "required": [*schema["required"], *_CONSTANTS]}


def _event(
    source: str, name: str, envelope: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    sources = [f"/valerix/{one}" for one in (ACT_SOURCES if source == ACTS else [source])]
    constants = {"source": {"enum": sources} if len(sources) > 1 else {"const": sources[0]}}
    constants["type"] = {"const": _type(name)}
    return {
        "allOf": [
            envelope,
            {"type": "object", "properties": {**constants, "data": data}, "required": ["data"]},
        ]
    }
