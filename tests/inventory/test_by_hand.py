"""The stock of an order is moved by hand only as its state and its lines permit."""

from typing import Any

import pytest

from tests.inventory.conftest import order_id
from tests.support.api import Answer, Api
from tests.support.identities import Identities
from tests.support.orders import AWAY, WrittenOrders
from tests.support.postgres import PostgresServer
from tests.support.processes import running
from valerix.contracts.commands import RESERVE_STOCK
from valerix.contracts.states import OrderStatus

INVENTORY = "/api/v1/inventory"
SKU = "PROD-001"
STATES = sorted(OrderStatus)
UNKNOWN = "01a22974-2c09-71d1-af55-514be51430f1"


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json
    assert (answer.status, problem["code"]) == (status, code), answer.body
    return problem


def wanted(order: str, *items: tuple[str, int]) -> dict[str, Any]:
    return {
        "orderId": order,
        "items": [{"productId": sku, "quantity": quantity} for sku, quantity in items],
    }


async def reserved(api: Api, sku: str = SKU) -> int:
    return int((await api.get(f"{INVENTORY}/{sku}")).json["reserved"])


async def reserve(api: Api, identities: Identities, order: str, quantity: int = 1) -> None:
    """Reserve as the orders service does."""
    command = {"orderId": order, "lines": [{"productId": SKU, "quantity": quantity}]}
    token = identities.service("orders", "inventory")
    answer = await api.post(RESERVE_STOCK, {"commands": [command]}, token=token)
    assert answer.json["outcomes"][0]["outcome"] == "reserved"


@pytest.mark.parametrize("order", ["by-hand", UNKNOWN, UNKNOWN.upper()])
async def test_nothing_is_moved_for_an_order_that_does_not_exist(api: Api, order: str) -> None:
    before = await reserved(api)
    refused(await api.post(f"{INVENTORY}/reserve", wanted(order, (SKU, 1))), 404, "order_not_found")
    for path in ("release", "commit"):
        refused(await api.post(f"{INVENTORY}/{path}", {"orderId": order}), 404, "order_not_found")
    assert await reserved(api) == before


@pytest.mark.parametrize("status", [status for status in STATES if status != "pending"])
async def test_stock_is_reserved_for_pending_orders_alone(
    api: Api, written_orders: WrittenOrders, status: str
) -> None:
    before, order = await reserved(api), await written_orders.write((SKU, 1), status=status)
    problem = refused(
        await api.post(f"{INVENTORY}/reserve", wanted(order, (SKU, 1))), 409, "order_not_reservable"
    )
    assert problem["orderStatus"] == status
    assert await reserved(api) == before


async def test_no_stock_is_reserved_for_an_order_that_is_being_cancelled(
    api: Api, written_orders: WrittenOrders
) -> None:
    order = await written_orders.write((SKU, 1), cancel_reason="changed my mind")
    refused(
        await api.post(f"{INVENTORY}/reserve", wanted(order, (SKU, 1))), 409, "order_not_reservable"
    )


@pytest.mark.parametrize(
    ("items", "errors"),
    [
        ([(SKU, 3), ("PROD-002", 1)], [("/items/0", f"The order has 2 of {SKU}")]),
        ([(SKU, 2)], [("/items", "The order has 1 of PROD-002")]),
        (
            [(SKU, 2), ("PROD-002", 1), ("PROD-003", 1)],
            [("/items/2", "The order has 0 of PROD-003")],
        ),
        ([(SKU, 1), ("PROD-002", 1)], [("/items/0", f"The order has 2 of {SKU}")]),
    ],
)
async def test_the_items_are_the_lines_of_the_order(
    api: Api,
    written_orders: WrittenOrders,
    items: list[tuple[str, int]],
    errors: list[tuple[str, str]],
) -> None:
    before, order = await reserved(api), await written_orders.write((SKU, 2), ("PROD-002", 1))
    problem = refused(
        await api.post(f"{INVENTORY}/reserve", wanted(order, *items)), 422, "other_lines"
    )
    assert [(error["pointer"], error["message"]) for error in problem["errors"]] == errors
    assert await reserved(api) == before


async def test_lines_that_name_one_product_twice_are_summed(
    api: Api, written_orders: WrittenOrders
) -> None:
    order = await written_orders.write((SKU, 2))
    answer = await api.post(f"{INVENTORY}/reserve", wanted(order, (SKU, 1), (SKU, 1)))
    assert (answer.status, answer.json["allocations"][0]["quantity"]) == (200, 2)


@pytest.mark.parametrize(
    "status", [status for status in STATES if status not in ("failed", "cancelled")]
)
async def test_a_live_order_keeps_its_stock(
    api: Api, written_orders: WrittenOrders, identities: Identities, status: str
) -> None:
    order = await written_orders.write((SKU, 1), status=status)
    await reserve(api, identities, order)
    before = await reserved(api)
    problem = refused(
        await api.post(f"{INVENTORY}/release", {"orderId": order}), 409, "order_not_releasable"
    )
    assert problem["orderStatus"] == status
    assert await reserved(api) == before


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_an_order_that_has_ended_gives_its_stock_back(
    api: Api, written_orders: WrittenOrders, identities: Identities, status: str
) -> None:
    order = await written_orders.write((SKU, 1), status=status)
    before = await reserved(api)
    await reserve(api, identities, order)
    for _ in range(2):
        answer = await api.post(f"{INVENTORY}/release", {"orderId": order})
        assert (answer.status, answer.json["state"]) == (200, "released")
    assert await reserved(api) == before


@pytest.mark.parametrize("status", [status for status in STATES if status != "processing"])
async def test_goods_leave_for_orders_in_processing_alone(
    api: Api, written_orders: WrittenOrders, identities: Identities, status: str
) -> None:
    order = await written_orders.write((SKU, 1), status=status)
    await reserve(api, identities, order)
    before = await reserved(api)
    problem = refused(
        await api.post(f"{INVENTORY}/commit", {"orderId": order}), 409, "order_not_committable"
    )
    assert problem["orderStatus"] == status
    assert await reserved(api) == before


async def test_no_goods_leave_for_an_order_that_is_being_cancelled(
    api: Api, written_orders: WrittenOrders, identities: Identities
) -> None:
    order = await written_orders.write(
        (SKU, 1), status="processing", cancel_reason="changed my mind"
    )
    await reserve(api, identities, order)
    refused(await api.post(f"{INVENTORY}/commit", {"orderId": order}), 409, "order_not_committable")


async def test_without_orders_nothing_is_moved(
    postgres: PostgresServer, identities: Identities
) -> None:
    name, url = postgres.fresh_database("inventory")
    settings = {"database_url": url, "orders_url": AWAY, "call_backoff_seconds": 0.01}
    with running("inventory", identities, **settings) as process:
        async with Api.open(process.url, identities.person("operator")) as operator:
            order = {"orderId": order_id()}
            bodies = {"reserve": wanted(order_id(), (SKU, 1)), "release": order, "commit": order}
            for path, body in bodies.items():
                refused(
                    await operator.post(f"{INVENTORY}/{path}", body), 503, "dependency_unavailable"
                )
    postgres.drop(name)
