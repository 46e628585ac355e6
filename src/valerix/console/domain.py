"""Merges the documents of all services: public API (OpenAPI) and published events (AsyncAPI)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from valerix.chassis.description.references import PREFIX, map_strings, references

Document = dict[str, Any]
HIDDEN_TAG: Final = "health"
"""Health operations: every process has them for its operators; the gateway does not route them."""
OF_EVERY_SERVICE: Final = ("/api/v1/chaos", "/api/v1/resilience")
"""Paths that every service has: the gateway routes them by the service name that follows."""
SHARED: Final = {"/api/v1/chaos/all": "/api/v1/chaos"}
"""Paths that any service answers for all, with the path under which the gateway serves them."""
UNPUBLISHED_TAG: Final = "chaos"
"""Injected faults are for operators of the platform; only each service's own document has them."""
_TAGS: Final = {
    "orders": "Place, follow, change and cancel orders",
    "products": "The catalogue of products and prices",
    "inventory": "Stock by product and warehouse, its movements and reservations",
    "warehouses": "The warehouses that hold stock",
    "payments": "Payments, refunds and their history",
    "users": "Accounts, roles and the audit trail",
    "customers": "Customers by customer number",
    "sessions": "Sign in and out, and list one's devices",
    "notifications": "Messages to customers and staff",
    "bus": "Events that could not be processed",
    "resilience": "Circuit breakers and limits of a service",
}
_INTRODUCTION: Final = """The public API, as the gateway serves it. Every path also has short forms:
`/orders` and `/api/orders` for `/api/v1/orders`.

To try it, run `POST /api/v1/users/login` below. The page then sends the access token with every
request (or paste a token under *Authorize*). Errors are problem documents (RFC 9457): `code` is
stable, `traceId` finds the log lines.

Times have a zone (RFC 3339). Amounts are a number of minor units with a currency. The description
of an optional field states its default. Later versions may add fields and values.

Events published on the event bus, and live on the WebSocket `/ws`, are described in
[asyncapi.json](/asyncapi.json) (AsyncAPI 3.0)."""
_EVENTS_INTRODUCTION: Final = """Events that the services publish for one another and for any other
consumer of the bus: CloudEvents 1.0 in JSON. The data of an event is its aggregate's public
representation at that version. An event type never changes its meaning or loses a field; a breaking
change becomes a new version of the type."""


def merge(documents: Mapping[str, Document], missing: Sequence[str], version: str) -> Document:
    """Merge the documents of several services. `missing`: services that did not answer.

    A schema name that means different things in different services gets the service's name:
    `ItemOfOrders`.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Valerix API",
            "version": version,
            "description": _description(_INTRODUCTION, missing),
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This gateway"}],
        "tags": [],
        "paths": {},
        "components": {},
        "x-problems": _problems(documents),
    }
    for service, document in _distinct(documents).items():
        _add(merged, document, service)
    return _with_tags(_without_unused(merged))


def publish(documents: Mapping[str, Document], missing: Sequence[str], version: str) -> Document:
    """Merge as `merge` does, without the operations that are not public."""
    merged = merge(documents, missing, version)
    paths = {path: _offered(item) for path, item in merged["paths"].items()}
    return _with_tags(
        _without_unused({**merged, "paths": {path: item for path, item in paths.items() if item}})
    )


def _problems(documents: Mapping[str, Document]) -> list[Document]:
    """The problem types of all services, by code; one code has one status and one title."""
    known = {
        problem["code"]: problem
        for document in documents.values()
        for problem in document.get("x-problems", ())
    }
    return [known[code] for code in sorted(known)]


def merge_events(
    documents: Mapping[str, Document], missing: Sequence[str], version: str
) -> Document:
    """Merge the AsyncAPI documents of several services; see `merge`."""
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


def _offered(item: Mapping[str, Any]) -> Document:
    return {
        method: operation
        for method, operation in item.items()
        if UNPUBLISHED_TAG not in operation["tags"]
    }


def _with_tags(document: Document) -> Document:
    used = {
        tag
        for item in document["paths"].values()
        for operation in item.values()
        for tag in operation["tags"]
    }
    described = [{"name": tag, "description": text} for tag, text in _TAGS.items() if tag in used]
    return {
        **document,
        "tags": [*described, *({"name": tag} for tag in sorted(used - _TAGS.keys()))],
    }


def _without_unused(document: Document) -> Document:
    """The document without the schemas that no operation refers to."""
    schemas, used = _schemas(document), set[str]()
    more = set(references(document["paths"]))
    while more:
        used |= more
        more = {name for one in more for name in references(schemas.get(one, {}))} - used
    kept = {name: schema for name, schema in schemas.items() if name in used}
    return {**document, "components": {**document["components"], "schemas": kept}}


def _add(merged: Document, document: Document, service: str) -> None:
    for path, item in document["paths"].items():
        operations = {
            method: {"tags": [service], **operation} for method, operation in item.items()
        }
        public = {
            method: each for method, each in operations.items() if HIDDEN_TAG not in each["tags"]
        }
        if public and path in OF_EVERY_SERVICE:
            own = {
                method: {**each, "operationId": f"{service}.{each['operationId']}"}
                for method, each in public.items()
            }
            merged["paths"][f"{path}/{service}"] = own
        elif public:
            merged["paths"].setdefault(SHARED.get(path, path), {}).update(public)
    for section, entries in document.get("components", {}).items():
        merged["components"].setdefault(section, {}).update(entries)


# --- names


def _distinct(documents: Mapping[str, Document]) -> dict[str, Document]:
    clashing = _clashing_names([_schemas(document) for document in documents.values()])
    return {
        service: _renamed(document, clashing, service) for service, document in documents.items()
    }


def _clashing_names(owners: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names that two owners define differently, and shared names that refer to such a name."""
    variants: dict[str, list[Any]] = {}
    for schemas in owners:
        for name, schema in schemas.items():
            variants.setdefault(name, []).append(schema)
    shared = {name: schemas for name, schemas in variants.items() if len(schemas) > 1}
    clashing = {
        name for name, schemas in shared.items() if any(schema != schemas[0] for schema in schemas)
    }
    while more := {
        name
        for name in shared.keys() - clashing
        if not clashing.isdisjoint(references(shared[name][0]))
    }:
        clashing |= more
    return clashing


def _renamed(document: Document, names: set[str], service: str) -> Document:
    own = {name: f"{name}Of{service.capitalize()}" for name in names}

    def rename(text: str) -> str:
        name = text.removeprefix(PREFIX)
        return text if name == text else PREFIX + own.get(name, name)

    renamed: Document = map_strings(document, rename)
    schemas = {
        own.get(name, name): {**schema, "title": own[name]} if name in own else schema
        for name, schema in _schemas(renamed).items()
    }
    return {**renamed, "components": {**renamed.get("components", {}), "schemas": schemas}}


def _schemas(document: Document) -> dict[str, Any]:
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    return schemas
