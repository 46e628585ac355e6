"""One document out of many: what the platform offers through its gateway (OpenAPI), and what it tells (AsyncAPI)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

Document = dict[str, Any]
HIDDEN_TAG: Final = "health"
"""Every process answers these for those who run it; the gateway does not route them."""
OF_EVERY_SERVICE: Final = ("/api/v1/chaos", "/api/v1/resilience")
"""The gateway routes these by the service's name behind them."""
SHARED: Final = {"/api/v1/chaos/all": "/api/v1/chaos"}
"""Under which path the gateway serves what any service answers for all."""
_SCHEMAS: Final = "#/components/schemas/"
_INTRODUCTION: Final = """The public API, as the gateway serves it. Every path also has the short forms `/orders` and
`/api/orders` for `/api/v1/orders`.

To try it: run `POST /api/v1/users/login` below; the page sends the access token from then on (or paste one under
*Authorize*). Errors are problem documents (RFC 9457); `code` is stable, `traceId` finds the log lines.

What the platform tells on its event bus is described in [asyncapi.json](/asyncapi.json) (AsyncAPI 3.0)."""
_EVENTS_INTRODUCTION: Final = """What the services tell one another and anybody else who listens to the bus: CloudEvents
1.0 in JSON. The data of an event is its aggregate's public representation at that version. A type never changes its
meaning or loses a field: what must, becomes a new version of the type."""


def merge(documents: Mapping[str, Document], missing: Sequence[str], version: str) -> Document:
    """The documents of several services as one; `missing`: services that could not be asked.

    A schema name that means different things in different services gets its service as prefix: `orders.Item`.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Valerix API", "version": version, "description": _description(_INTRODUCTION, missing)},
        "servers": [{"url": "/"}],
        "paths": {},
        "components": {},
    }
    for service, document in _distinct(documents).items():
        _add(merged, document, service)
    return merged


def merge_events(documents: Mapping[str, Document], missing: Sequence[str], version: str) -> Document:
    """The AsyncAPI documents of several services as one; see `merge`."""
    description = _description(_EVENTS_INTRODUCTION, missing)
    merged: Document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Valerix events", "version": version, "description": description},
        "defaultContentType": "application/cloudevents+json",
        "channels": {},
        "operations": {},
        "components": {"messages": {}, "schemas": {}},
    }
    for document in _distinct(documents).values():
        for section in ("channels", "operations"):
            merged[section].update(document[section])
        for section in ("messages", "schemas"):
            merged["components"][section].update(document["components"][section])
    return merged


def _description(introduction: str, missing: Sequence[str]) -> str:
    if not missing:
        return introduction
    return f"**Not answering at the moment, and left out: {', '.join(missing)}.**\n\n{introduction}"


def _add(merged: Document, document: Document, service: str) -> None:
    for path, item in document["paths"].items():
        operations = {method: {"tags": [service], **operation} for method, operation in item.items()}
        public = {method: each for method, each in operations.items() if HIDDEN_TAG not in each["tags"]}
        if public and path in OF_EVERY_SERVICE:
            own = {
                method: {**each, "operationId": f"{service}.{each['operationId']}"} for method, each in public.items()
            }
            merged["paths"][f"{path}/{service}"] = own
        elif public:
            merged["paths"].setdefault(SHARED.get(path, path), {}).update(public)
    for section, entries in document.get("components", {}).items():
        merged["components"].setdefault(section, {}).update(entries)


# --- names


def _distinct(documents: Mapping[str, Document]) -> dict[str, Document]:
    clashing = _clashing_names([_schemas(document) for document in documents.values()])
    return {service: _renamed(document, clashing, f"{service}.") for service, document in documents.items()}


def _clashing_names(owners: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names defined differently by two owners, and shared names that refer to such a one."""
    variants: dict[str, list[Any]] = {}
    for schemas in owners:
        for name, schema in schemas.items():
            variants.setdefault(name, []).append(schema)
    shared = {name: schemas for name, schemas in variants.items() if len(schemas) > 1}
    clashing = {name for name, schemas in shared.items() if any(schema != schemas[0] for schema in schemas)}
    while more := {name for name in shared.keys() - clashing if not clashing.isdisjoint(_references(shared[name][0]))}:
        clashing |= more
    return clashing


def _renamed(document: Document, names: set[str], prefix: str) -> Document:
    def rename(text: str) -> str:
        name = text.removeprefix(_SCHEMAS)
        return f"{_SCHEMAS}{prefix}{name}" if name in names and name != text else text

    renamed: Document = _map_strings(document, rename)
    schemas = {(prefix if name in names else "") + name: schema for name, schema in _schemas(renamed).items()}
    return {**renamed, "components": {**renamed.get("components", {}), "schemas": schemas}}


def _schemas(document: Document) -> dict[str, Any]:
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    return schemas


def _references(value: Any) -> Iterator[str]:
    """Names of the schemas that `value` refers to directly."""
    if isinstance(value, str) and value.startswith(_SCHEMAS):
        yield value.removeprefix(_SCHEMAS)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references(inner)


def _map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """A copy with every string value (not key) changed: references also stand in discriminator mappings."""
    if isinstance(value, dict):
        return {key: _map_strings(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_map_strings(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value
