"""Products and warehouses over HTTP: bodies, versions, refusals."""

from typing import Any

import pytest

from tests.inventory.requests import (
    INVENTORY,
    PRODUCTS,
    WAREHOUSES,
    add,
    pointers,
    product,
    refused,
    replacement,
)
from tests.support.api import Api
from tests.support.orders import WrittenOrders


async def test_a_product_is_created_read_changed_and_removed(api: Api) -> None:
    answer = await api.post(PRODUCTS, product("LIFE", description="short", lowStockThreshold=2))
    assert (answer.status, answer.headers["location"], answer.headers["etag"]) == (
        201,
        f"{PRODUCTS}/LIFE",
        '"1"',
    )
    assert (await api.get(f"{PRODUCTS}/LIFE")).json == answer.json
    refused(await api.post(PRODUCTS, product("LIFE")), 409, "product_exists")

    changed = await api.call("PUT", f"{PRODUCTS}/LIFE", replacement(), If_Match='"1"')
    assert (changed.status, changed.headers["etag"], changed.json["name"]) == (200, '"2"', "New")
    assert changed.json["lowStockThreshold"] == 0
    refused(
        await api.call("PUT", f"{PRODUCTS}/LIFE", replacement(), If_Match='"1"'),
        412,
        "version_conflict",
    )
    refused(await api.call("PUT", f"{PRODUCTS}/LIFE", replacement(), If_Match="x"), 400, "invalid")
    assert (await api.call("PUT", f"{PRODUCTS}/LIFE", replacement())).headers["etag"] == '"3"'

    assert (await api.call("DELETE", f"{PRODUCTS}/LIFE")).status == 204
    refused(await api.get(f"{PRODUCTS}/LIFE"), 404, "product_not_found")


async def test_a_product_with_a_history_is_only_taken_out_of_sale(
    api: Api, written_orders: WrittenOrders
) -> None:
    await add(api, "OLD", 5)
    for _ in range(2):
        assert (await api.call("DELETE", f"{PRODUCTS}/OLD")).status == 204
    answer = await api.get(f"{PRODUCTS}/OLD")
    assert (answer.json["active"], answer.headers["etag"].partition("-")[0]) == (False, '"2')
    assert (await api.get(f"{PRODUCTS}?q=OLD")).json["items"] == []
    assert len((await api.get(f"{PRODUCTS}?q=OLD&active=false")).json["items"]) == 1
    body = {
        "orderId": await written_orders.write(("OLD", 1)),
        "items": [{"productId": "OLD", "quantity": 1}],
    }
    refused(await api.post(f"{INVENTORY}/reserve", body), 422, "unknown_product")


async def test_a_product_and_its_stock_are_created_together_or_not_at_all(api: Api) -> None:
    stock = [{"warehouseId": "WH-EAST", "quantity": 1}, {"warehouseId": "WH-NONE", "quantity": 1}]
    refused(await api.post(PRODUCTS, product("BOTH", initialStock=stock)), 422, "unknown_warehouse")
    refused(await api.get(f"{PRODUCTS}/BOTH"), 404, "product_not_found")
    stock = [{"warehouseId": "WH-WEST", "quantity": 2}, {"warehouseId": "WH-WEST", "quantity": 3}]
    assert (await api.post(PRODUCTS, product("BOTH", initialStock=stock))).status == 201
    assert (await api.get(f"{INVENTORY}/BOTH")).json["onHand"] == 5


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"productId": "a/b"}, {"/productId"}),
        ({"productId": ".."}, {"/productId"}),
        (
            {"name": "", "price": {"amountMinor": -1, "currency": "usd"}},
            {"/name", "/price/amountMinor", "/price/currency"},
        ),
        ({"price": 19.99, "color": "red"}, {"/price", "/color"}),
        (
            {"initialStock": [{"warehouseId": "WH-EAST", "quantity": 0}]},
            {"/initialStock/0/quantity"},
        ),
        ({"lowStockThreshold": -1}, {"/lowStockThreshold"}),
    ],
)
async def test_bad_products_are_refused(
    api: Api, fields: dict[str, Any], expected: set[str]
) -> None:
    assert pointers(await api.post(PRODUCTS, product("BAD") | fields)) == expected


async def test_warehouses_are_created_and_listed(api: Api) -> None:
    body = {"warehouseId": "WH-ZZZ", "name": "Far away", "priority": 9}
    answer = await api.post(WAREHOUSES, body)
    assert answer.status == 201
    refused(await api.post(WAREHOUSES, body), 409, "warehouse_exists")
    items = (await api.get(WAREHOUSES)).json["items"]
    assert [item["warehouseId"] for item in items] == ["WH-EAST", "WH-WEST", "WH-ZZZ"]
    assert items[-1] == answer.json
