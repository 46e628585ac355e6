"""The OpenAPI documents of running services: properties that generators, validators and readers
rely on.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no stubs
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.matrix.in_process import InProcess
from tests.support.documents import PATHS, Document, complete
from valerix.chassis.description import components
from valerix.console.domain import publish
from valerix.contracts.payment_methods import METHODS
from valerix.contracts.states import FulfilmentStatus, OrderStatus, PaymentStatus, RefundStatus
from valerix.users.schemas import SignedIn

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]
PROBLEM: Final = "application/problem+json"
METHODS_OF_PATHS: Final = {"get", "post", "put", "delete"}
CLOSED: Final = {
    "paymentMethod": set(METHODS),
    "onShortage": {"hold", "backorder", "reject"},
    "channel": {"email", "sms"},
    "role": {"customer", "operator", "admin"},
}
"""Fields with a closed set of values, in every schema."""
OPEN_ROLES: Final = {"AuditView", "RecordedAct", "ActorView"}
"""Schemas in which a role may be a service's, too."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def documents(platform: InProcess) -> dict[str, Document]:
    """Provides the document of each service as the service publishes it."""
    found = {}
    for name in PATHS:
        async with platform.open(platform.service_url(name)) as api:
            found[name] = (await api.get("/openapi.json")).json
    return found


@pytest.fixture
def document(documents: dict[str, Document]) -> Document:
    """Provides the merged document of all services, including unpublished operations."""
    return complete(documents)


def operations(document: Document) -> Iterator[Document]:
    for item in document["paths"].values():
        assert item.keys() <= METHODS_OF_PATHS
        yield from item.values()


def fields(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yields component, name and schema of each field."""
    for component, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            yield component, name, field


def parameters(document: Document) -> dict[tuple[str, str], Document]:
    """Returns the parameters in paths, by path and name."""
    return {
        (path, parameter["name"]): parameter
        for path, item in document["paths"].items()
        for operation in item.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }


def values(field: Document) -> set[str]:
    """Returns the values of an enumeration except null."""
    return {value for one in (field, *field.get("anyOf", ())) for value in one.get("enum", ())}


async def test_it_is_valid(document: Document) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_component_names_are_class_names_and_each_has_one_meaning(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert [
        name
        for name, schema in schemas.items()
        if schema["title"] != name or not name.isidentifier()
    ] == []
    lowered = Counter(name.replace("_", "").lower() for name in schemas)
    assert [name for name, count in lowered.items() if count > 1] == []
    assert [name for name in schemas if "_" in name or "Of" in name.removeprefix("Of")] == []


async def test_a_class_of_the_same_name_elsewhere_is_not_taken_for_one_that_is_described() -> None:
    before = components.schemas([SignedIn])
    namesake = msgspec.defstruct(SignedIn.__name__, [("other", int)])
    assert components.schemas([SignedIn]) == before, namesake


async def test_operation_ids_are_unique(document: Document) -> None:
    ids = Counter(operation["operationId"] for operation in operations(document))
    assert [name for name, count in ids.items() if count > 1] == []


async def test_nothing_that_has_a_default_is_demanded(document: Document) -> None:
    """Generators require a field that has a `default`, so the description states the default
    instead.
    """
    assert [
        (component, name) for component, name, field in fields(document) if "default" in field
    ] == []
    body = document["components"]["schemas"]["PlaceOrderBody"]
    assert body["required"] == ["customerId"]
    assert body["properties"]["paymentMethod"]["description"].endswith('Default: "card_ok".')


async def test_closed_sets_are_enumerations(document: Document) -> None:
    wrong = [
        (component, name)
        for component, name, field in fields(document)
        if name in CLOSED and component not in OPEN_ROLES and values(field) != CLOSED[name]
    ]
    assert wrong == []
    schemas = document["components"]["schemas"]
    for states in (OrderStatus, PaymentStatus, RefundStatus, FulfilmentStatus):
        assert set(schemas[states.__name__]["enum"]) == set(states)


async def test_enumerations_are_of_strings(document: Document) -> None:
    schemas = document["components"]["schemas"]
    found = [*schemas.values(), *(field for _, _, field in fields(document))]
    enumerations = [
        one for each in found for one in (each, *each.get("anyOf", ())) if "enum" in one
    ]
    assert enumerations
    assert [one for one in enumerations if one.get("type") != "string"] == []


async def test_the_address_of_an_order_is_described(document: Document) -> None:
    field = document["components"]["schemas"]["OrderView"]["properties"]["shippingAddress"]
    assert field == {"anyOf": [{"$ref": "#/components/schemas/Address"}, {"type": "null"}]}


async def test_times_are_described_as_times(document: Document) -> None:
    names = ("createdAt", "updatedAt", "occurredAt", "failedAt")
    times = [field for _, name, field in fields(document) if name in names]
    assert times
    assert [field for field in times if field != {"type": "string", "format": "date-time"}] == []


async def test_fields_say_what_their_source_says(document: Document) -> None:
    total = document["components"]["schemas"]["OrderView"]["properties"]["total"]
    assert total["description"].startswith("Null until inventory has answered once")


async def test_an_amount_is_a_number_or_its_text(document: Document) -> None:
    amount, null = document["components"]["schemas"]["PlaceOrderBody"]["properties"]["amount"][
        "anyOf"
    ]
    assert (amount["type"], null["type"]) == (["number", "string"], "null")


async def test_every_operation_says_whether_a_token_is_needed(document: Document) -> None:
    public = {each["operationId"] for each in operations(document) if each["security"] == []}
    by_mail = {"forgotPassword", "resetPassword", "confirmEmail"}
    assert (
        public
        == {"register", "login", "refresh", "getPublicKeys", "listProducts", "getProduct"} | by_mail
    )


async def test_refusals_are_problems_and_successes_are_not(document: Document) -> None:
    for operation in operations(document):
        responses = operation["responses"]
        assert {"400", "429", "503", "default"} <= responses.keys(), operation["operationId"]
        assert operation["security"] == [] or {"401", "403"} <= responses.keys(), operation[
            "operationId"
        ]
        assert "requestBody" not in operation or {"413", "415"} <= responses.keys(), operation[
            "operationId"
        ]
        for status, response in responses.items():
            wanted = (
                [] if status == "204" else ["application/json"] if status < "300" else [PROBLEM]
            )
            assert list(response.get("content", ())) == wanted, (operation["operationId"], status)


async def test_refusals_of_an_order_carry_it(document: Document) -> None:
    for path, method in (("/api/v1/orders", "post"), ("/api/v1/orders/{order_id}/retry", "post")):
        responses = document["paths"][path][method]["responses"]
        for status in ("402", "409", "422"):
            schema = responses[status]["content"][PROBLEM]["schema"]
            assert schema == {"$ref": "#/components/schemas/OrderProblem"}
    assert document["components"]["schemas"]["OrderProblem"]["properties"]["order"] == {
        "$ref": "#/components/schemas/OrderView",
        "description": "Absent where nothing was written: an idempotency key in flight or reused.",
    }


async def test_headers_are_described(document: Document) -> None:
    for operation in operations(document):
        for status, response in operation["responses"].items():
            assert "Trace-Id" in response["headers"], operation["operationId"]
            assert ("Retry-After" in response["headers"]) == (status in ("202", "429", "503"))
    place = document["paths"]["/api/v1/orders"]["post"]["responses"]
    assert {"Location", "Idempotent-Replayed"} <= place["200"]["headers"].keys()
    assert "Location" in place["201"]["headers"]
    assert (
        "ETag"
        in document["paths"]["/api/v1/orders/{order_id}"]["get"]["responses"]["200"]["headers"]
    )
    assert "WWW-Authenticate" in place["401"]["headers"]


async def test_every_body_has_an_example_that_is_valid(document: Document) -> None:
    for operation in operations(document):
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            schema = {**content["schema"], "components": document["components"]}
            errors = [
                error.message
                for error in Draft202012Validator(schema).iter_errors(content["example"])
            ]
            assert errors == [], operation["operationId"]


async def test_what_is_published_is_described_for_readers(documents: dict[str, Document]) -> None:
    published = publish(documents, [], "1")
    assert list(OpenAPIV31SpecValidator(published).iter_errors()) == []
    assert [tag["name"] for tag in published["tags"] if not tag.get("description")] == []
    used = {tag for operation in operations(published) for tag in operation["tags"]}
    assert used == {tag["name"] for tag in published["tags"]}
    assert [each["operationId"] for each in operations(published) if not each.get("summary")] == []
    assert [path for path in published["paths"] if "chaos" in path or "internal" in path] == []
    assert "Gremlin" not in published["components"]["schemas"]


async def test_a_parameter_in_a_path_has_a_form(document: Document) -> None:
    schemas = [each["schema"] for each in parameters(document).values()]
    assert schemas
    assert [
        each for each in schemas if not each.keys() & {"pattern", "format", "minimum", "enum"}
    ] == []


async def test_no_request_belongs_to_two_paths(document: Document) -> None:
    """If each of two paths has a fixed word where the other has a parameter, the parameter's format
    excludes the word.
    """
    forms = parameters(document)

    def fits(path: str, place: int, literal: str) -> bool:
        schema = forms[path, path.split("/")[place].strip("{}")]
        if schema["schema"]["type"] == "integer":
            return literal.isdigit()
        return schema["schema"].get("format") != "uuid" and bool(
            re.search(schema["schema"]["pattern"], literal)
        )

    seen, ambiguous = 0, []
    for one, other in itertools.combinations(document["paths"], 2):
        pairs = list(zip(one.split("/"), other.split("/"), strict=False))
        if one.count("/") != other.count("/") or any(a != b and "{" not in a + b for a, b in pairs):
            continue
        left = [
            (other, place, a) for place, (a, b) in enumerate(pairs) if "{" in b and "{" not in a
        ]
        right = [(one, place, b) for place, (a, b) in enumerate(pairs) if "{" in a and "{" not in b]
        if left and right:
            seen += 1
            if all(fits(*each) for each in left) and all(fits(*each) for each in right):
                ambiguous.append((one, other))
    assert seen
    assert ambiguous == []
