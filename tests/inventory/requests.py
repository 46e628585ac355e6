"""Requests to inventory over HTTP, and how they are refused."""

from typing import Any

from tests.support.api import Answer, Api

INVENTORY, PRODUCTS, WAREHOUSES = "/api/v1/inventory", "/api/v1/products", "/api/v1/warehouses"


def product(product_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "productId": product_id,
        "name": f"The {product_id}",
        "price": {"amountMinor": 1999, "currency": "EUR"},
        **fields,
    }


def replacement(**fields: Any) -> dict[str, Any]:
    return {"name": "New", "price": {"amountMinor": 1, "currency": "USD"}, **fields}


async def add(api: Api, product_id: str, units: int = 0, **fields: Any) -> None:
    stock = [{"warehouseId": "WH-EAST", "quantity": units}] if units else []
    answer = await api.post(PRODUCTS, product(product_id, initialStock=stock, **fields))
    assert answer.status == 201, answer.body


def refused(answer: Answer, status: int, code: str) -> Any:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["content-type"].startswith("application/problem+json")
    return answer.json


def pointers(answer: Answer) -> set[str]:
    return {error["pointer"] for error in refused(answer, 400, "invalid")["errors"]}
