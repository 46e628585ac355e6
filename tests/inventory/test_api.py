"""Stock over HTTP, as people and other services call it: bodies, refusals, pages."""

from typing import Any

import pytest

from tests.inventory.conftest import order_id
from tests.inventory.requests import INVENTORY, PRODUCTS, add, pointers, refused, replacement
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.orders import WrittenOrders
from tests.support.processes import running
from valerix.contracts.commands import COMMIT_STOCK, RELEASE_STOCK, RESERVE_STOCK


async def test_stock_is_told_in_total_and_per_warehouse(api: Api) -> None:
    # Other modules on the same service reserve units of the first products.
    assert (await api.get(f"{INVENTORY}/PROD-020")).json == {
        "productId": "PROD-020",
        "name": "Raspberry Pi 5 8 GB",
        "active": True,
        "onHand": 150,
        "reserved": 0,
        "available": 150,
        "lowStockThreshold": 30,
        "lowStock": False,
        "warehouses": [
            {"warehouseId": "WH-EAST", "onHand": 85, "reserved": 0, "available": 85},
            {"warehouseId": "WH-WEST", "onHand": 65, "reserved": 0, "available": 65},
        ],
    }


async def test_pages_follow_one_another_without_gap_or_overlap(api: Api) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        answer = (await api.get(f"{INVENTORY}?limit=7&q=prod-0{cursor}")).json
        seen += [item["productId"] for item in answer["items"]]
        if answer["nextCursor"] is None:
            break
        cursor = f"&cursor={answer['nextCursor']}"
    assert seen == [f"PROD-{n:03}" for n in range(1, 23)]


async def test_lists_are_filtered(api: Api) -> None:
    await add(api, "FILTER-1", 3, lowStockThreshold=3)
    await add(api, "FILTER-2")
    low = (await api.get(f"{INVENTORY}?lowStock=true&q=filter")).json["items"]
    assert [item["productId"] for item in low] == ["FILTER-1", "FILTER-2"]
    east = (await api.get(f"{INVENTORY}?warehouse=WH-EAST&q=filter")).json["items"]
    assert [item["productId"] for item in east] == ["FILTER-1"]
    alerts = (await api.get(f"{INVENTORY}/alerts?limit=200")).json["items"]
    assert {"FILTER-1", "FILTER-2", "PROD-012", "PROD-016"} <= {
        item["productId"] for item in alerts
    }
    assert all(item["lowStock"] for item in alerts)
    assert (await api.get(f"{INVENTORY}?q=%25")).json["items"] == []


async def test_movements_are_paged_latest_first(api: Api) -> None:
    await add(api, "MOVED", 100)
    for number in range(8):
        where = "WH-WEST" if number % 2 else "WH-EAST"
        await api.post(f"{INVENTORY}/adjust", adjustment("MOVED", 1 + number, warehouseId=where))
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        page = (await api.get(f"{INVENTORY}/MOVED/movements?limit=4{cursor}")).json
        seen += [movement["onHandDelta"] for movement in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1, 100]
    entry = page["items"][-1]
    actor = {"id": "olga", "role": "operator", "address": "127.0.0.1", "traceId": entry["traceId"]}
    assert entry | {"traceId": "", "occurredAt": ""} == {
        "productId": "MOVED",
        "warehouseId": "WH-EAST",
        "seq": 1,
        "kind": "receive",
        "onHandDelta": 100,
        "reservedDelta": 0,
        "onHandAfter": 100,
        "reservedAfter": 0,
        "orderId": None,
        "reason": "initial stock",
        "actor": "olga",
        "traceId": "",
        "occurredAt": "",
        "by": {"kind": "staff", "actor": actor},
    }
    assert len(entry["traceId"]) == 32


def adjustment(product_id: str, delta: int, **fields: Any) -> dict[str, Any]:
    return {
        "productId": product_id,
        "warehouseId": "WH-EAST",
        "delta": delta,
        "reason": "counted",
        **fields,
    }


async def test_one_order_is_reserved_released_and_committed_by_hand(
    api: Api, written_orders: WrittenOrders
) -> None:
    await add(api, "HAND", 5)
    first, second = await written_orders.write(("HAND", 2)), await written_orders.write(("HAND", 2))
    body = {"orderId": first, "items": [{"productId": "HAND", "quantity": 2}]}
    answer = await api.post(f"{INVENTORY}/reserve", body)
    assert (answer.status, answer.json) == (
        200,
        {
            "orderId": first,
            "state": "reserved",
            "allocations": [{"productId": "HAND", "warehouseId": "WH-EAST", "quantity": 2}],
            "products": [
                {
                    "productId": "HAND",
                    "name": "The HAND",
                    "unitPriceMinor": 1999,
                    "currency": "EUR",
                },
            ],
            "idempotent": False,
        },
    )
    assert (await api.post(f"{INVENTORY}/reserve", body)).json == {
        **answer.json,
        "idempotent": True,
    }
    await api.post(f"{INVENTORY}/reserve", {**body, "orderId": second})
    await written_orders.change(first, status="processing")
    await written_orders.change(second, status="cancelled")
    assert (await api.post(f"{INVENTORY}/commit", {"orderId": first})).json["state"] == "committed"
    assert (await api.post(f"{INVENTORY}/release", {"orderId": second})).json["state"] == "released"
    stock = (await api.get(f"{INVENTORY}/HAND")).json
    assert (stock["onHand"], stock["reserved"]) == (3, 0)

    await written_orders.change(second, status="processing")
    refused(await api.post(f"{INVENTORY}/commit", {"orderId": second}), 409, "reservation_ended")
    await written_orders.change(first, status="failed")
    refused(await api.post(f"{INVENTORY}/release", {"orderId": first}), 409, "reservation_ended")
    await written_orders.change(first, status="pending")
    refused(await api.post(f"{INVENTORY}/reserve", body), 409, "reservation_ended")
    never = await written_orders.write(status="processing")
    refused(await api.post(f"{INVENTORY}/commit", {"orderId": never}), 404, "reservation_not_found")


async def test_what_cannot_be_reserved_is_said_precisely(
    api: Api, written_orders: WrittenOrders
) -> None:
    await add(api, "FEW", 1)
    body = {
        "orderId": await written_orders.write(("FEW", 2)),
        "items": [{"productId": "FEW", "quantity": 2}],
    }
    problem = refused(await api.post(f"{INVENTORY}/reserve", body), 409, "insufficient_stock")
    assert problem["shortages"] == [{"productId": "FEW", "requested": 2, "available": 1}]
    body = {
        "orderId": await written_orders.write(("NOWHERE", 2)),
        "items": [{"productId": "NOWHERE", "quantity": 2}],
    }
    problem = refused(await api.post(f"{INVENTORY}/reserve", body), 422, "unknown_product")
    assert problem["productIds"] == ["NOWHERE"]


async def test_updating_stock_is_idempotent(api: Api) -> None:
    await add(api, "UPD", 100)
    body = {"productId": "UPD", "quantity": -2, "orderId": "order-1", "idempotencyKey": "update-1"}
    first = {"success": True, "previousStock": 100, "newStock": 98}
    assert (await api.post(f"{INVENTORY}/update", body)).json == first
    again = {**first, "idempotent": True, "message": "Request already processed"}
    assert (await api.post(f"{INVENTORY}/update", body)).json == again
    answer = await api.post(f"{INVENTORY}/update", {**body, "quantity": -3})
    refused(answer, 422, "idempotency_key_reused")
    refused(
        await api.post(
            f"{INVENTORY}/update", {**body, "quantity": -99, "idempotencyKey": "update-2"}
        ),
        409,
        "insufficient_stock",
    )
    assert (await api.get(f"{INVENTORY}/UPD")).json["onHand"] == 98


async def test_adjusting_says_where_the_stock_stands(api: Api) -> None:
    await add(api, "ADJ", 10)
    body = adjustment("ADJ", -4, idempotencyKey="adjust-1")
    expected = {
        "productId": "ADJ",
        "warehouseId": "WH-EAST",
        "onHand": 6,
        "reserved": 0,
        "available": 6,
        "seq": 2,
    }
    assert (await api.post(f"{INVENTORY}/adjust", body)).json == expected
    assert (await api.post(f"{INVENTORY}/adjust", body)).json == {**expected, "idempotent": True}
    refused(await api.post(f"{INVENTORY}/adjust", adjustment("ADJ", -7)), 409, "insufficient_stock")
    refused(await api.post(f"{INVENTORY}/adjust", adjustment("NOWHERE", 1)), 422, "unknown_product")
    refused(
        await api.post(f"{INVENTORY}/adjust", adjustment("ADJ", 1, warehouseId="WH-0")),
        422,
        "unknown_warehouse",
    )


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("reserve", {}, {"/orderId", "/items"}),
        ("reserve", {"orderId": "o", "items": []}, {"/items"}),
        (
            "reserve",
            {"orderId": "o", "items": [{"productId": "A\n", "quantity": 1}]},
            {"/items/0/productId"},
        ),
        (
            "reserve",
            {
                "orderId": "o",
                "items": [
                    {"productId": "A", "quantity": q} for q in (0, 101, "2", 1.5, True, None)
                ],
            },
            {f"/items/{n}/quantity" for n in range(6)},
        ),
        (
            "reserve",
            {"orderId": "o" * 51, "items": [{"productId": "A", "quantity": 1}] * 101},
            {"/orderId", "/items"},
        ),
        ("release", {"orderId": ""}, {"/orderId"}),
        ("commit", {"orderId": "o", "typo": 1}, {"/typo"}),
        ("adjust", {"productId": "A"}, {"/warehouseId", "/delta", "/reason"}),
        ("adjust", {"productId": "A", "warehouseId": "W", "delta": 0, "reason": "r"}, {"/delta"}),
        (
            "adjust",
            {"productId": "A", "warehouseId": "W", "delta": 10**7, "reason": ""},
            {"/delta", "/reason"},
        ),
        ("update", {"productId": "A", "quantity": -1}, {"/idempotencyKey"}),
        ("update", {"productId": "A", "quantity": 0, "idempotencyKey": "k"}, {"/quantity"}),
        (
            "update",
            {"productId": "A", "quantity": -1, "idempotencyKey": "k" * 256},
            {"/idempotencyKey"},
        ),
    ],
)
async def test_bad_bodies_are_refused_with_a_pointer_for_each_fault(
    api: Api, path: str, body: object, expected: set[str]
) -> None:
    assert pointers(await api.post(f"{INVENTORY}/{path}", body)) == expected


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "lowStock=perhaps", "cursor=%21", "cursor=WyJcdTAwMDAiXQ"],
)
async def test_bad_queries_are_refused(api: Api, query: str) -> None:
    assert pointers(await api.get(f"{INVENTORY}?{query}")) == {f"/{query.partition('=')[0]}"}


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    for path in (
        f"{INVENTORY}/NONE",
        f"{INVENTORY}/NONE/movements",
        f"{PRODUCTS}/NONE",
        f"{PRODUCTS}/a%20b",
    ):
        refused(await api.get(path), 404, "product_not_found")
    refused(await api.call("DELETE", f"{PRODUCTS}/NONE"), 404, "product_not_found")
    refused(await api.call("PUT", f"{PRODUCTS}/NONE", replacement()), 404, "product_not_found")


# --- between services


async def test_the_internal_commands_take_and_answer_lists(
    api: Api, identities: Identities
) -> None:
    await add(api, "INT", 5)
    token = identities.service("orders", "inventory")
    ids = [order_id() for _ in range(3)]
    commands = [
        {"orderId": i, "lines": [{"productId": "INT", "quantity": q}]}
        for i, q in zip(ids, (2, 9, 3), strict=True)
    ]
    answer = await api.post(RESERVE_STOCK, {"commands": commands}, token=token)
    assert [o["outcome"] for o in answer.json["outcomes"]] == [
        "reserved",
        "insufficient_stock",
        "reserved",
    ]
    answer = await api.post(COMMIT_STOCK, {"orderIds": ids}, token=token)
    assert [o["state"] for o in answer.json["outcomes"]] == ["committed", "absent", "committed"]
    answer = await api.post(RELEASE_STOCK, {"orderIds": ids}, token=token)
    assert [o["state"] for o in answer.json["outcomes"]] == ["committed", "released", "committed"]
    stock = (await api.get(f"{INVENTORY}/INT")).json
    assert (stock["onHand"], stock["reserved"]) == (0, 0)
    (latest, *_) = (await api.get(f"{INVENTORY}/INT/movements")).json["items"]
    assert latest["actor"] == "valerix:orders"


async def test_counters_are_exposed(api: Api, written_orders: WrittenOrders) -> None:
    await add(api, "METRIC", 1)
    order = await written_orders.write(("METRIC", 2))
    await api.post(
        f"{INVENTORY}/reserve",
        {"orderId": order, "items": [{"productId": "METRIC", "quantity": 2}]},
    )
    text = (await api.get("/metrics")).body.decode()
    for name in (
        'inventory_updates_total{kind="receive"}',
        'inventory_reservations_total{outcome="insufficient_stock"}',
        'inventory_operations_duration_seconds_count{operation="reserve"}',
    ):
        assert name in text
    text = (
        await api.get("/metrics?name[]=inventory_low_stock_items&name[]=inventory_updates_total")
    ).body.decode()
    told = {
        line.partition("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")
    }
    assert told == {"inventory_low_stock_items", "inventory_updates_total"}


async def test_gauges_are_read_when_a_process_starts(
    api: Api, service_url: str, written_orders: WrittenOrders, identities: Identities
) -> None:
    await add(api, "GAUGED", 3, lowStockThreshold=3)
    low = len((await api.get(f"{INVENTORY}/alerts?limit=100")).json["items"])
    urls = {"database_url": service_url, "orders_url": written_orders.process.url}
    with running("inventory", identities, **urls) as process:
        async with Api.open(process.url, identities.person("operator")) as replica:

            async def read() -> bool:
                text = (await replica.get("/metrics")).body.decode()
                level = 'inventory_stock_level{sku="GAUGED",warehouse="WH-EAST"} 3.0'
                return level in text and f"inventory_low_stock_items {low}.0" in text

            await eventually(read)
