"""The bodies that "place" accepts, and the precision of its refusals."""

import json
from typing import Any

import pytest

from valerix.chassis.base.problems import FieldError, Invalid
from valerix.orders.schemas import decode_place

GOOD: dict[str, Any] = {"customerId": "CUST-001", "productId": "PROD-001", "quantity": 2}
NAMED: dict[str, Any] = {"customerId": "CUST-001", "product": "Dell XPS 15", "amount": 1299.0}
ITEMS: dict[str, Any] = {
    "customerId": "CUST-001",
    "items": [{"productId": "PROD-001", "quantity": 2}],
}


def pointers(body: object) -> set[str]:
    with pytest.raises(Invalid) as caught:
        decode_place(json.dumps(body).encode())
    errors: list[FieldError] = caught.value.extra["errors"]
    return {error.pointer for error in errors}


@pytest.mark.parametrize(
    "body", [GOOD, ITEMS, {**GOOD, "productName": "whatever"}, {**ITEMS, "onShortage": "reject"}]
)
def test_both_forms_mean_the_same_order(body: dict[str, Any]) -> None:
    (line,) = decode_place(json.dumps(body).encode()).lines()
    assert (line.product_id, line.quantity) == ("PROD-001", 2)


@pytest.mark.parametrize("quantity", [0, 101, -1, "2", 2.5, True, None, [], 10**30])
def test_a_quantity_is_an_integer_from_1_to_100(quantity: object) -> None:
    assert pointers({**GOOD, "quantity": quantity}) == {"/quantity"}


@pytest.mark.parametrize("quantity", [1, 100])
def test_the_limits_themselves_are_accepted(quantity: int) -> None:
    assert decode_place(json.dumps({**GOOD, "quantity": quantity}).encode()).quantity == quantity


@pytest.mark.parametrize("field", ["customerId", "productId"])
@pytest.mark.parametrize("value", ["", "x" * 51, 7, None])
def test_ids_are_text_of_1_to_50_characters(field: str, value: object) -> None:
    assert pointers({**GOOD, field: value}) == {f"/{field}"}


def test_every_bad_field_is_named_at_once() -> None:
    body = {
        "items": [{"productId": "", "quantity": 1}, {"quantity": "2"}],
        "onShortage": "maybe",
        "paymentMethod": 3,
    }
    assert pointers(body) >= {
        "/customerId",
        "/items/0/productId",
        "/items/1/productId",
        "/items/1/quantity",
        "/onShortage",
        "/paymentMethod",
    }


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({}, {"/customerId", "/productId", "/quantity"}),
        ({**NAMED, "quantity": 1}, {"/quantity"}),
        ({**NAMED, "productId": "P", "items": ITEMS["items"]}, {"/productId", "/items"}),
        ({**NAMED, "expectedTotal": {"amountMinor": 1, "currency": "USD"}}, {"/amount"}),
        ({**GOOD, "amount": 1}, {"/amount"}),
        ({**NAMED, "amount": "a lot"}, {"/amount"}),
        ({**NAMED, "product": ""}, {"/product"}),
        ({"customerId": "C"}, {"/productId", "/quantity"}),
        ({**ITEMS, "productId": "X", "quantity": 1}, {"/productId", "/quantity"}),
        ({**ITEMS, "quantity": 1}, {"/quantity"}),
        ({**ITEMS, "items": []}, {"/items"}),
        ({**ITEMS, "items": [{"productId": "A", "quantity": 1}] * 101}, {"/items"}),
        ({**GOOD, "quantitty": 1}, {"/quantitty"}),
        ({**GOOD, "paymentMethod": "gold"}, {"/paymentMethod"}),
        ({**GOOD, "onShortage": "wait"}, {"/onShortage"}),
        (
            {**GOOD, "shippingAddress": {"name": "Ada"}},
            {"/shippingAddress/street", "/shippingAddress/city"},
        ),
    ],
)
def test_forms_are_complete_known_and_not_mixed(body: dict[str, Any], bad: set[str]) -> None:
    assert pointers(body) >= bad


@pytest.mark.parametrize("body", [b"", b"{", b"[1,2", b'{"customerId": "\xff"}', b"nul"])
def test_malformed_json_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(Invalid, match="JSON"):
        decode_place(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"'])
def test_a_body_that_is_no_object_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        decode_place(body)
