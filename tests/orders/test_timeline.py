"""The history of an order as people read it: a page at a time.

Steps that had nothing to undo are left out.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.orders import WrittenOrders
from valerix.contracts.ids import new_id

PATH = "/api/v1/orders"


@pytest.fixture
async def api(written_orders: WrittenOrders, identities: Identities) -> AsyncIterator[Api]:
    async with Api.open(
        written_orders.process.url, identities.person("customer", "CUST-001")
    ) as opened:
        yield opened


async def test_hundreds_of_entries_are_read_page_by_page(
    api: Api, written_orders: WrittenOrders
) -> None:
    order_id = await written_orders.write()
    await written_orders.remember(order_id, 230)

    async def page(query: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await api.get(f"{PATH}/{order_id}/events?{query}")).json
        assert answer["orderId"] == order_id
        return answer

    sizes, versions, found = list[int](), list[int](), await page("limit=100")
    while True:
        sizes.append(len(found["events"]))
        versions += [entry["version"] for entry in found["events"]]
        if found["nextCursor"] is None:
            break
        found = await page(f"limit=100&cursor={found['nextCursor']}")
    assert (sizes, versions) == ([100, 100, 30], list(range(1, 231)))
    assert len((await page(""))["events"]) == 50


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=WyJ4Il0", "cursor=Wy0xXQ"]
)
async def test_a_page_that_is_none_is_refused(
    api: Api, written_orders: WrittenOrders, query: str
) -> None:
    order_id = await written_orders.write()
    assert (await api.get(f"{PATH}/{order_id}/events?{query}")).status == 400


async def test_the_history_of_another_customer_or_of_nobody_is_not_found(
    api: Api, written_orders: WrittenOrders
) -> None:
    for order_id in (await written_orders.write(customer_id="CUST-002"), new_id(), "none"):
        assert (await api.get(f"{PATH}/{order_id}/events")).status == 404


async def test_a_compensation_that_had_nothing_to_undo_is_not_shown(
    api: Api, written_orders: WrittenOrders
) -> None:
    began = {"attempt": 1, "startedAt": "2026-02-03T00:00:00Z", "durationMs": 1.5}
    steps = [
        {"name": "reserve_stock", "outcome": "insufficient_stock", **began},
        {"name": "void_payment", "outcome": "nothing_to_undo", **began},
        {"name": "release_stock", "outcome": "released", **began},
    ]
    order_id = await written_orders.write(status="failed")
    await written_orders.remember(order_id, 1, steps)
    (entry,) = (await api.get(f"{PATH}/{order_id}/events")).json["events"]
    assert [step["name"] for step in entry["steps"]] == ["reserve_stock", "release_stock"]
    assert "nothingToUndo" not in entry, "the stock was given back"


async def test_an_entry_says_when_there_was_nothing_to_undo_at_all(
    api: Api, written_orders: WrittenOrders
) -> None:
    began = {"attempt": 1, "startedAt": "2026-02-03T00:00:00Z", "durationMs": 1.5}
    undone = [
        {"name": name, "outcome": "nothing_to_undo", **began}
        for name in ("void_payment", "release_stock")
    ]
    reserved = {"name": "reserve_stock", "outcome": "ok", **began}
    for steps, said in ((undone, True), ([reserved], None), ([reserved, *undone], True)):
        order_id = await written_orders.write(status="cancelled")
        await written_orders.remember(order_id, 1, steps)
        (entry,) = (await api.get(f"{PATH}/{order_id}/events")).json["events"]
        assert entry.get("nothingToUndo") is said
        assert [step["name"] for step in entry["steps"]] == [
            s["name"] for s in steps if s is reserved
        ]
