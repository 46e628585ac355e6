"""The description of orders for other services: one outcome per id, whatever the id is."""

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.orders import WrittenOrders
from valerix.contracts.commands import DESCRIBE_ORDERS, MAX_COMMANDS
from valerix.contracts.ids import new_id


async def described(
    written_orders: WrittenOrders, identities: Identities, *order_ids: str
) -> list[dict[str, Any]]:
    async with Api.open(
        written_orders.process.url, identities.service("payments", "orders")
    ) as payments:
        answer = await payments.post(DESCRIBE_ORDERS, {"orderIds": order_ids})
    assert answer.status == 200, answer.body
    outcomes: list[dict[str, Any]] = answer.json["outcomes"]
    return outcomes


async def test_an_order_is_described_as_its_row_stands(
    written_orders: WrittenOrders, identities: Identities
) -> None:
    order_id = await written_orders.write(("PROD-001", 2), ("PROD-002", 1), total_minor=2500)
    assert await described(written_orders, identities, order_id) == [
        {
            "outcome": "described",
            "orderId": order_id,
            "customerId": "CUST-001",
            "status": "pending",
            "lines": [
                {"productId": "PROD-001", "quantity": 2},
                {"productId": "PROD-002", "quantity": 1},
            ],
            "paymentMethod": "card_ok",
            "total": {"amountMinor": 2500, "currency": "USD"},
            "cancelling": False,
        }
    ]


async def test_a_price_comes_with_the_stock_and_a_wish_to_cancel_is_told(
    written_orders: WrittenOrders, identities: Identities
) -> None:
    new = await written_orders.write(
        currency=None, total_minor=None, cancel_reason="changed my mind"
    )
    over = await written_orders.write(status="cancelled", cancel_reason="changed my mind")
    first, second = await described(written_orders, identities, new, over)
    assert (first["total"], first["cancelling"]) == (None, True)
    assert (second["status"], second["cancelling"]) == ("cancelled", False)


async def test_what_is_no_order_is_unknown_in_its_place(
    written_orders: WrittenOrders, identities: Identities
) -> None:
    order_id, other = await written_orders.write(), new_id()
    ids = [other, order_id, "", "ORDER-1", order_id.upper(), order_id + " ", "'", order_id]
    outcomes = await described(written_orders, identities, *ids)
    assert [outcome["orderId"] for outcome in outcomes] == ids
    known = [outcome["outcome"] == "described" for outcome in outcomes]
    assert known == [False, True, False, False, False, False, False, True]


async def test_a_whole_list_is_described_and_no_more(
    written_orders: WrittenOrders, identities: Identities
) -> None:
    assert await described(written_orders, identities) == []
    assert (
        len(await described(written_orders, identities, *[new_id()] * MAX_COMMANDS)) == MAX_COMMANDS
    )
    async with Api.open(
        written_orders.process.url, identities.service("payments", "orders")
    ) as payments:
        assert (
            await payments.post(DESCRIBE_ORDERS, {"orderIds": [new_id()] * (MAX_COMMANDS + 1)})
        ).status == 400


@pytest.mark.parametrize("role", ["customer", "operator", "admin"])
async def test_people_are_not_told(
    written_orders: WrittenOrders, identities: Identities, role: str
) -> None:
    async with Api.open(written_orders.process.url, identities.person(role)) as person:
        assert (await person.post(DESCRIBE_ORDERS, {"orderIds": []})).status == 403
