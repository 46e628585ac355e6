"""The contract of events: the JSON of each as the services send it, and the describing document."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # stubs come separately

from tests.contracts.story import tell_everything
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from valerix.chassis.http import asyncapi
from valerix.console.domain import merge_events
from valerix.contracts.events import BY_SOURCE, PREFIX, TOPICS, VERSION
from valerix.inventory import schemas as inventory
from valerix.orders import schemas as orders
from valerix.payments import schemas as payments
from valerix.users import schemas as users

PINNED: Final = Path(__file__).parent / "events"
SCHEMAS: Final = Path(__file__).parent / "schemas.json"
DATA: Final = {
    "orders": orders.EVENT_DATA,
    "inventory": inventory.EVENT_DATA,
    "payments": payments.EVENT_DATA,
    **users.EVENTS,
}
TYPES: Final = [f"{PREFIX}{name}{VERSION}" for source in TOPICS for name in BY_SOURCE[source]]
ADDED: Final[dict[str, set[str]]] = {
    "order.": {"productId", "quantity", "refunded", "heldUntil"},
    "customer.": {"emailConfirmed"},
    "account.": {"emailConfirmed"},
    **{f"inventory.{name}": {"delivery"} for name in ("low_stock", "restocked", "updated")},
}
"""Fields added later to events with these prefixes.

They may be missing, so the version stays.
"""
SOMETIMES: Final[dict[str, set[str]]] = {"order.": {"refunded", "heldUntil"}}
"""Added fields that most events do not have: nothing was refunded, and nothing waits for stock."""
ADVICE: Final = (
    "Others read what was pinned, and stored events stay as they are. Leave this version of the "
    "type as it was and add the next one beside it (valerix.….v2, with a file of its own here)"
)


def fields_of(kind: str, table: dict[str, set[str]]) -> set[str]:
    return {
        field
        for name, fields in table.items()
        if kind.startswith(PREFIX + name)
        for field in fields
    }


def pinned(kind: str) -> Any:
    return json.loads((PINNED / f"{kind}.json").read_text())


@pytest.fixture(scope="module")
def told(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    return tell_everything(postgres, Identities(tmp_path_factory.mktemp("story")))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    documents = {source: asyncapi.document(source, DATA[source]) for source in TOPICS}
    merged = merge_events(documents, [], "1")
    read: dict[str, Any] = json.loads(json.dumps(merged))
    return read


# --- the events


@pytest.mark.parametrize("kind", TYPES)
def test_an_event_is_told_as_it_was_pinned(told: dict[str, dict[str, Any]], kind: str) -> None:
    now = told[kind.removeprefix(PREFIX).removesuffix(VERSION)]
    assert now == pinned(kind), (
        f"The event {kind} has changed. {ADVICE}. It is now:\n{json.dumps(now, indent=2)}"
    )


def test_every_event_there_is_has_its_pin_and_no_other(told: dict[str, dict[str, Any]]) -> None:
    assert {file.stem for file in PINNED.iterdir()} == set(TYPES)
    assert {event["type"] for event in told.values()} == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_a_pinned_event_is_what_the_document_describes(document: dict[str, Any], kind: str) -> None:
    event, validator = pinned(kind), of_event(document, kind)
    assert [error.message for error in validator.iter_errors(event)] == []
    for name in ("specversion", "sequence", "data"):
        assert not validator.is_valid({key: value for key, value in event.items() if key != name})
    assert not validator.is_valid({**event, "type": "valerix.order.invented.v1"})
    for name in event["data"]:
        assert not validator.is_valid({**event, "data": {**event["data"], name: [[]]}}), (
            f"{name} may be anything"
        )


@pytest.mark.parametrize("kind", TYPES)
def test_the_data_of_an_event_has_all_and_only_the_fields_described(
    document: dict[str, Any], kind: str
) -> None:
    reference = document["components"]["schemas"][kind]["allOf"][1]["properties"]["data"]["$ref"]
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    described = set(schema["properties"])
    assert described == set(schema["required"]) | fields_of(kind, ADDED)
    assert set(pinned(kind)["data"]) | fields_of(kind, SOMETIMES) == described


@pytest.mark.parametrize("kind", TYPES)
def test_an_event_from_before_there_were_more_fields_is_still_one(
    document: dict[str, Any], kind: str
) -> None:
    event = pinned(kind)
    before = {
        name: value for name, value in event["data"].items() if name not in fields_of(kind, ADDED)
    }
    assert of_event(document, kind).is_valid({**event, "data": before})


def test_types_of_fields_stay_as_they_were_pinned(document: dict[str, Any]) -> None:
    now = without_words(document["components"]["schemas"])
    assert now == json.loads(SCHEMAS.read_text()), (
        f"A type has changed. {ADVICE}. It is now:\n{json.dumps(now)}"
    )


def of_event(document: dict[str, Any], kind: str) -> Draft202012Validator:
    root = {"$ref": f"#/components/schemas/{kind}", "components": document["components"]}
    Draft202012Validator.check_schema(root)
    return Draft202012Validator(root)


def without_words(schema: Any) -> Any:
    """Return the schema without the parts that only explain."""
    if isinstance(schema, dict):
        words = ("title", "description") if {"type", "enum"} & schema.keys() else ()
        return {name: without_words(inner) for name, inner in schema.items() if name not in words}
    return [without_words(inner) for inner in schema] if isinstance(schema, list) else schema


# --- the document


def test_the_document_has_the_structure_of_asyncapi_3(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])
    assert set(document) <= {
        "asyncapi",
        "info",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert set(document["channels"]) == set(TOPICS)
    for name, channel in document["channels"].items():
        assert {key for key in channel if not key.startswith("x-")} == {
            "address",
            "description",
            "messages",
        }
        assert set(channel["messages"]) == set(BY_SOURCE[name])
    for operation in document["operations"].values():
        assert operation["action"] == "send"
        assert set(operation["channel"]) == {"$ref"}
    assert {operation["channel"]["$ref"] for operation in document["operations"].values()} == {
        f"#/channels/{source}" for source in TOPICS
    }
    assert set(document["components"]["messages"]) == set(TYPES)
    for kind, message in document["components"]["messages"].items():
        assert message["name"] == kind
        assert message["payload"] == {"$ref": f"#/components/schemas/{kind}"}


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))
    assert len(found) > len(TYPES)
    for reference in found:
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def references(value: Any) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_a_service_that_describes_too_little_does_not_start() -> None:
    with pytest.raises(TypeError, match=r"customer\.updated"):
        asyncapi.document("users", {"customer.registered": users.UserView})
