"""Merging the descriptions of all services into one."""

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from valerix.console.domain import Document, merge, publish


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def description(path: str, answers: str, **schemas: Any) -> Document:
    def operation(name: str, body: dict[str, str], **more: Any) -> dict[str, Any]:
        content = {"application/json": {"schema": body}}
        return {
            "operationId": name,
            "responses": {"200": {"description": "OK", "content": content}},
            **more,
        }

    return {
        "openapi": "3.1.0",
        "info": {"title": "One service", "version": "1"},
        "paths": {
            path: {"get": operation(f"get{path.title().replace('/', '')}", ref(answers))},
            "/health": {"get": operation("health", ref("Health"), tags=["health"])},
        },
        "components": {"schemas": {**schemas, "Health": schema(status={"type": "string"})}},
    }


def answer_of(document: Document, path: str) -> str:
    reference: str = document["paths"][path]["get"]["responses"]["200"]["content"][
        "application/json"
    ]["schema"]["$ref"]
    return reference.removeprefix("#/components/schemas/")


def test_the_paths_of_all_services_are_there_but_not_what_each_process_answers_for_itself() -> None:
    documents = {
        "orders": description("/orders", "Order", Order=schema()),
        "users": description("/users", "User", User=schema()),
    }
    merged = merge(documents, [], "1.2.3")
    assert set(merged["paths"]) == {"/orders", "/users"}
    assert merged["info"]["version"] == "1.2.3"
    assert merged["paths"]["/users"]["get"]["tags"] == ["users"]
    assert list(OpenAPIV31SpecValidator(merged).iter_errors()) == []


def test_a_schema_two_services_share_is_kept_once() -> None:
    money = schema(amountMinor={"type": "integer"})
    documents = {
        name: description(f"/{name}", "Money", Money=money) for name in ("orders", "payments")
    }
    merged = merge(documents, [], "1")
    assert [answer_of(merged, path) for path in ("/orders", "/payments")] == ["Money", "Money"]
    assert set(merged["components"]["schemas"]) == {"Money"}


def test_one_name_for_two_things_becomes_two_names_and_whatever_refers_to_it_follows() -> None:
    page = schema(items={"type": "array", "items": ref("Item")})
    documents = {
        "orders": description(
            "/orders", "Page", Item=schema(quantity={"type": "integer"}), Page=page
        ),
        "inventory": description(
            "/inventory",
            "Page",
            Item=schema(onHand={"type": "integer"}),
            Page=page,
            InventoryItem=schema(sku={"type": "string"}),
        ),
    }
    merged = merge(documents, [], "1")
    schemas = merged["components"]["schemas"]
    assert answer_of(merged, "/orders") == "PageOfOrders"
    assert schemas["PageOfInventory"]["properties"]["items"]["items"] == ref("ItemOfInventory")
    assert schemas["ItemOfInventory"] == {
        **schema(onHand={"type": "integer"}),
        "title": "ItemOfInventory",
    }
    assert "InventoryItem" not in schemas, "nothing refers to it"
    assert list(OpenAPIV31SpecValidator(merged).iter_errors()) == []


def test_a_service_that_is_missing_is_named() -> None:
    documents = {"orders": description("/orders", "Order", Order=schema())}
    assert "users" in merge(documents, ["users"], "1")["info"]["description"]
    assert "left out" not in merge(documents, [], "1")["info"]["description"]


def test_faults_on_purpose_are_not_published() -> None:
    own = description("/orders", "Order", Order=schema())
    chaos = {
        "tags": ["chaos"],
        "operationId": "getChaos",
        "responses": {"200": {"description": "OK"}},
    }
    documents = {"orders": {**own, "paths": {**own["paths"], "/api/v1/chaos": {"get": chaos}}}}
    assert set(merge(documents, [], "1")["paths"]) == {"/orders", "/api/v1/chaos/orders"}
    published = publish(documents, [], "1")
    assert set(published["paths"]) == {"/orders"}
    assert [tag["name"] for tag in published["tags"]] == ["orders"]
