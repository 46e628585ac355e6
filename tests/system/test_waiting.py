"""Backorders on two replicas of each service, with kills: units go to the orders that have waited
longest, whatever process dies.
"""

import asyncio
import os
import random
import signal
from itertools import cycle

from pyreqwest.exceptions import RequestError

from tests.support.api import Api
from tests.support.eventually import eventually, eventually_equal
from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, new_product, place
from valerix.contracts.states import OrderStatus

WAITING = 50
VICTIMS = ("inventory", "orders", "worker", "inventory-2", "orders-2", "payments")
RESTOCKS_PER_KILL = 4


async def test_fifty_orders_of_mixed_sizes_are_served_in_the_order_of_their_acceptance(
    stack: Stack,
) -> None:
    mixed = random.Random(50)  # noqa: S311 - not secret
    sku, sizes = "FAIR-1", [mixed.randint(1, 7) for _ in range(WAITING)]
    victims, killed = cycle(VICTIMS), 0
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, sku, 1)
        answers = [await place(ada, {sku: size}, onShortage="backorder") for size in [2, *sizes]]
        assert {answer.status for answer in answers} == {409}
        ids = [answer.json["order"]["id"] for answer in answers]
        missing, restocks = sum(sizes) + 1, 0
        while missing:
            units = min(missing, mixed.randint(1, 5))
            if restocks % RESTOCKS_PER_KILL == 0:
                victim = next(victims)
                os.kill(stack.pid(victim), signal.SIGKILL)
                killed += 1
            newcomer = asyncio.create_task(refused(ada, sku))
            await restock(operator, sku, units, f"fair-{restocks}")
            missing, restocks = missing - units, restocks + 1
            if missing:
                await newcomer
            else:
                newcomer.cancel()

        async def statuses() -> set[OrderStatus]:
            rows = await stack.rows(
                "orders", "SELECT status FROM orders WHERE id::text = ANY($1)", ids
            )
            return {OrderStatus(row["status"]) for row in rows}

        await eventually_equal(statuses, {OrderStatus.CONFIRMED}, 120)
    assert killed > len(VICTIMS)
    ages = {
        order_id: place for place, order_id in enumerate(sorted(ids))
    }  # their ids begin with the time
    ledger = await stack.rows(
        "inventory",
        "SELECT order_id FROM movements WHERE sku = $1 AND kind = 'set_aside' ORDER BY seq",
        sku,
    )
    handed_out = [ages[row["order_id"]] for row in ledger]
    assert handed_out == sorted(handed_out), "a younger order was served first"
    assert set(handed_out) == set(ages.values())
    assert await stack.stock(sku) == (3 + sum(sizes) - 1, 2 + sum(sizes))
    events = await stack.rows(
        "orders",
        "SELECT count(*) AS times FROM order_events"
        " WHERE type = 'order.held' AND order_id::text = ANY($1) GROUP BY order_id",
        ids,
    )
    assert [row["times"] for row in events] == [1] * len(ids)
    await assert_sound(stack)


async def test_an_order_that_is_held_goes_on_when_staff_reserves_for_it(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "BY-HAND-1", 1)
        items = [{"productId": "BY-HAND-1", "quantity": 2}]
        order_id = (await place(ada, {"BY-HAND-1": 2})).json["order"]["id"]
        await restock(operator, "BY-HAND-1", 5, "by-hand")
        reserved = await operator.post(
            "/api/v1/inventory/reserve", {"orderId": order_id, "items": items}
        )
        assert reserved.status == 200, reserved.body

        async def status() -> OrderStatus:
            return OrderStatus((await ada.get(f"/api/v1/orders/{order_id}")).json["status"])

        await eventually_equal(status, OrderStatus.CONFIRMED)
        assert await stack.stock("BY-HAND-1") == (6, 2)
    await assert_sound(stack)


async def refused(ada: Api, sku: str) -> None:
    """Asserts that a new order for one unit, without a backorder, is refused as out of stock, or
    unanswered while a service is down.
    """
    try:
        answer = await place(ada, {sku: 1}, onShortage="reject")
    except RequestError:
        return
    assert answer.status in (202, 409, 502, 503, 504), answer.body


async def restock(operator: Api, sku: str, units: int, key: str) -> None:
    delivery = {
        "productId": sku,
        "warehouseId": "WH-EAST",
        "delta": units,
        "reason": "delivery",
        "idempotencyKey": key,
    }

    async def done() -> bool:
        try:
            answer = await operator.post("/api/v1/inventory/adjust", delivery)
        except RequestError:
            return False
        assert answer.status in (200, 409, 429, 502, 503, 504), answer.body
        return answer.status == 200

    await eventually(done, 60)


async def test_a_backorder_that_is_edited_gets_what_it_wants_now(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "EDIT-1", 2)
        await new_product(operator, "EDIT-2", 5)
        first = (await place(ada, {"EDIT-1": 5}, onShortage="backorder")).json["order"]["id"]
        second = (await place(ada, {"EDIT-1": 2}, onShortage="backorder")).json["order"]["id"]
        assert await stack.stock("EDIT-1") == (2, 2)
        items = [{"productId": "EDIT-2", "quantity": 3}]
        changed = await ada.call("PUT", f"/api/v1/orders/{first}", {"items": items})
        assert changed.status == 200, changed.body

        async def statuses() -> list[OrderStatus]:
            return [
                OrderStatus((await ada.get(f"/api/v1/orders/{one}")).json["status"])
                for one in (first, second)
            ]

        await eventually_equal(statuses, [OrderStatus.CONFIRMED] * 2)
        assert await stack.stock("EDIT-1") == (2, 2)
        assert await stack.stock("EDIT-2") == (5, 3)
    await assert_sound(stack)
