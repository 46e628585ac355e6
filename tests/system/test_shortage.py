"""Orders that lack stock: held, waiting or rejected, as requested; and the price of a held one."""

from functools import partial
from typing import Any

from tests.support.api import Api, problem
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, new_product, place


async def test_shortage_is_held_backordered_or_rejected_as_the_order_wished(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "SHORT-1", 3)
        orders: list[str] = []
        for on_shortage, status in (
            ("hold", "pending"),
            ("backorder", "pending"),
            ("reject", "failed"),
        ):
            answer = await place(
                ada, {"SHORT-1": 4}, onShortage=on_shortage, key=f"short-{on_shortage}"
            )
            document = problem(answer, 409, "insufficient_stock")
            assert (document["order"]["status"], document["order"]["errorMessage"]) == (
                status,
                "Insufficient stock",
            )
            assert (
                await place(ada, {"SHORT-1": 4}, onShortage=on_shortage, key=f"short-{on_shortage}")
            ).body == answer.body
            orders.append(document["order"]["id"])
        assert await stack.stock("SHORT-1") == (3, 3)  # set aside for the backorder
        assert not await stack.rows(
            "payments", "SELECT 1 FROM payments WHERE order_id::text = ANY($1)", orders
        )
        for held in orders[:2]:
            await eventually(partial(_cancels, ada, held))
        assert await stack.stock("SHORT-1") == (3, 0)


async def test_a_held_order_can_be_retried_changed_and_cancelled(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "HELD-1", 3)
        held = [(await place(ada, {"HELD-1": 5})).json["order"] for _ in range(3)]
        paths = [f"/api/v1/orders/{order['id']}" for order in held]
        problem(await ada.post(paths[0] + "/retry", None), 409, "insufficient_stock")
        changed = await ada.call("PUT", paths[0], {"quantity": 2}, If_Match='"3"')
        assert (changed.status, changed.json["items"][0]["quantity"]) == (200, 2)
        problem(
            await ada.call("PUT", paths[0], {"quantity": 1}, If_Match='"3"'),
            412,
            "version_conflict",
        )
        confirmed = await ada.post(paths[0] + "/retry", None)
        assert (confirmed.status, confirmed.json["status"]) == (200, "confirmed")
        problem(await ada.post(paths[0] + "/retry", None), 409, "not_retriable")
        restock = {
            "productId": "HELD-1",
            "warehouseId": "WH-EAST",
            "delta": 5,
            "reason": "delivery",
        }
        assert (await operator.post("/api/v1/inventory/adjust", restock)).status == 200
        assert (await ada.post(paths[1] + "/retry", None)).json["status"] == "confirmed"
        assert (await ada.call("DELETE", paths[2])).json["status"] == "cancelled"
    assert await stack.stock("HELD-1") == (8, 7)


async def test_a_held_order_is_quoted_and_costs_no_more(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "QUOTE-1", 1)
        ten, total = (
            {"amountMinor": 1000, "currency": "USD"},
            {"amountMinor": 2000, "currency": "USD"},
        )
        held = [(await place(ada, {"QUOTE-1": 2})).json["order"] for _ in range(2)]
        assert [(order["total"], order["items"][0]["unitPrice"]) for order in held] == [
            (total, ten)
        ] * 2
        assert (held[0]["productId"], held[0]["quantity"]) == ("QUOTE-1", 2)
        await _priced(operator, "QUOTE-1", {"amountMinor": 99_900, "currency": "USD"})
        restock = {
            "productId": "QUOTE-1",
            "warehouseId": "WH-EAST",
            "delta": 9,
            "reason": "delivery",
        }
        assert (await operator.post("/api/v1/inventory/adjust", restock)).status == 200
        answer = await ada.post(f"/api/v1/orders/{held[0]['id']}/retry", None)
        assert (answer.status, answer.json["total"]) == (200, total)
        await _priced(operator, "QUOTE-1", {"amountMinor": 99_900, "currency": "EUR"})
        problem(await ada.post(f"/api/v1/orders/{held[1]['id']}/retry", None), 409, "price_changed")
        problem(await place(ada, {"QUOTE-1": 1}, expectedTotal=total), 409, "total_differs")
        expected = {"amountMinor": 99_900, "currency": "EUR"}
        assert (await place(ada, {"QUOTE-1": 1}, expectedTotal=expected)).status == 201
        charged = await stack.rows(
            "payments", "SELECT status FROM payments WHERE order_id::text = $1", held[1]["id"]
        )
    assert [row["status"] for row in charged] == ["voided"]
    assert await stack.stock("QUOTE-1") == (10, 3)


async def _cancels(api: Api, order_id: str) -> bool:
    """Cancels an order; returns False while another process is driving it."""
    answer = await api.call("DELETE", f"/api/v1/orders/{order_id}")
    if answer.status == 409:
        problem(answer, 409, "order_busy")
        return False
    assert answer.json["status"] == "cancelled"
    return True


async def _priced(operator: Api, sku: str, price: dict[str, Any]) -> None:
    answer = await operator.call("PUT", f"/api/v1/products/{sku}", {"name": sku, "price": price})
    assert answer.status == 200, answer.body
