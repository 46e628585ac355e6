"""Kills a process that holds an order, in every state of the order: it still ends, and each effect
happens once.

The tests control the time: the warehouse takes hours, and a test ends a dwell time or a lease
explicitly.
"""

from collections import Counter
from contextlib import suppress

import pytest
from pyreqwest.exceptions import RequestError

from tests.support.api import Api
from tests.support.eventually import eventually, eventually_equal
from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, new_product, place, settled
from tests.system.test_chaos import TIMEOUT_SECONDS, broken
from tests.system.test_events import mails, quiet
from valerix.contracts.events import BY_SOURCE, ORDERS, PREFIX, VERSION
from valerix.contracts.states import OrderStatus
from valerix.notifications.domain import EMAIL, NOTIFICATIONS_BY_EVENT
from valerix.orders.transitions import FULFILMENT_STEPS, LOCAL_STEPS, TRANSITIONS

OPEN = [status for status, next_ones in TRANSITIONS.items() if next_ones]
UNITS, RESTOCKED, PRICE = 3, 10, 1000


@pytest.fixture
def still(stack: Stack) -> Stack:
    """Provides a stack in which no order is due unless a test makes it due: the claimed order is
    the test's order.
    """
    return stack


@pytest.mark.parametrize("status", OPEN)
async def test_the_worker_is_killed_holding_an_order(still: Stack, status: str) -> None:
    async with still.api(OPERATOR) as operator, still.api(ADA) as ada:
        order_id, sku = await _order(still, operator, ada, status, f"WORKER-{status}")
        killed = still.pid("worker")
        async with broken(
            still, "worker", "failpoint", point=f"orders.claimed.{status}", action="kill"
        ):
            if status == "pending":
                await _restock(operator, sku)
            else:
                await _make_due(still, order_id)
            await _is_back(still, "worker", killed)
        await _make_due(still, order_id)  # its lease is over
        await _until(still, order_id, "completed")
        history = await _history(still, order_id)
    claims = await still.rows(
        "orders", "SELECT lease_epoch AS n FROM orders WHERE id::text = $1", order_id
    )
    unaided = sum(f"order.{FULFILMENT_STEPS[state]}" in history for state in LOCAL_STEPS)
    passes = (
        len(history) - 2 - unaided
    )  # it was created, and driven once by the process that created it
    killed_claims = int(status not in LOCAL_STEPS)
    woken = int(
        status == "pending"
    )  # the news of its stock raises the epoch and fences the current driver
    assert claims[0]["n"] == killed_claims + passes + woken, history
    await _assert_once(still, order_id, sku)


@pytest.mark.parametrize("status", OPEN)
async def test_orders_is_killed_while_somebody_acts_on_an_order(still: Stack, status: str) -> None:
    """The caller gets no answer; the worker does the requested work."""
    cancel = OrderStatus(status).cancellable
    async with still.api(OPERATOR) as operator, still.api(ADA) as ada:
        order_id, sku = await _order(still, operator, ada, status, f"ORDERS-{status}")
        killed = still.pid("orders")
        async with broken(
            still, "orders", "failpoint", point=f"orders.claimed.{status}", action="kill"
        ):
            path, end = f"/api/v1/orders/{order_id}", {"status": "completed"}
            with suppress(RequestError):
                answer = await (
                    ada.call("DELETE", path) if cancel else operator.call("PUT", path, end)
                )
                assert answer.status >= 500, answer.body
            await _is_back(still, "orders", killed)
        await _make_due(still, order_id)  # its lease is over
        await _until(still, order_id, "cancelled" if cancel else "completed")
    await _assert_once(still, order_id, sku)


# --- one order


async def _order(stack: Stack, operator: Api, ada: Api, status: str, sku: str) -> tuple[str, str]:
    """Creates an order that stays in this state, with a product that no other order has."""
    sku = sku.upper()
    await new_product(operator, sku, UNITS, PRICE)
    if status == "pending":
        answer = await place(ada, {sku: UNITS + 1}, onShortage="backorder")
        assert answer.status == 409, answer.body
        order_id: str = answer.json["order"]["id"]
        await stack.rows(
            "orders", "UPDATE orders SET due_at = now() + '1 hour' WHERE id::text = $1", order_id
        )
        return order_id, sku
    answer = await place(ada, {sku: UNITS})
    assert answer.status == 201, answer.body
    await _until(stack, answer.json["id"], status)
    return answer.json["id"], sku


async def _restock(operator: Api, sku: str) -> None:
    delivery = {
        "productId": sku,
        "warehouseId": "WH-EAST",
        "delta": RESTOCKED,
        "reason": "delivery",
    }
    answer = await operator.post("/api/v1/inventory/adjust", delivery)
    assert answer.status == 200, answer.body


async def _make_due(stack: Stack, order_id: str) -> None:
    await stack.rows(
        "orders",
        "UPDATE orders SET due_at = now() WHERE id::text = $1 AND due_at > now()",
        order_id,
    )


async def _until(stack: Stack, order_id: str, status: str) -> None:
    """Ends the order's dwell time in each state, but no lease, until it has this status."""
    staying = """UPDATE orders SET due_at = now()
        WHERE id::text = $1 AND status <> $2 AND due_at > now() + '1 minute'"""

    async def arrived() -> bool:
        await stack.rows("orders", staying, order_id, status)
        rows = await stack.rows("orders", "SELECT status FROM orders WHERE id::text = $1", order_id)
        return bool(rows[0]["status"] == status)

    await eventually(arrived, TIMEOUT_SECONDS)


async def _is_back(stack: Stack, process: str, killed: int) -> None:
    """Waits until the successor of the killed process is healthy."""

    async def successor() -> bool:
        found = stack.state["processes"][process]
        return bool(found["identity"]) and found["identity"]["pid"] != killed and found["healthy"]

    await eventually(successor, TIMEOUT_SECONDS)


async def _history(stack: Stack, order_id: str) -> list[str]:
    rows = await stack.rows(
        "orders",
        "SELECT type FROM order_events WHERE order_id::text = $1 ORDER BY version",
        order_id,
    )
    return [row["type"] for row in rows]


# --- once


async def _assert_once(stack: Stack, order_id: str, sku: str) -> None:
    """Asserts that each step emitted one event, and moved goods and money once."""
    await settled(stack)
    await quiet(stack)
    history = await _history(stack, order_id)
    assert len(set(history)) == len(history), history
    letters = Counter(
        template
        for event in history
        for channel, template in NOTIFICATIONS_BY_EVENT.get(event, ())
        if channel == EMAIL
    )
    events = Counter(
        f"{PREFIX}{event}{VERSION}" for event in history if event in BY_SOURCE[ORDERS]
    )  # other events are not published
    await eventually_equal(lambda: _emitted(stack, order_id), events, TIMEOUT_SECONDS)
    await eventually_equal(lambda: mails(stack, order_id), letters, TIMEOUT_SECONDS)
    sold, paid = history[-1] == "order.completed", "order.confirmed" in history
    restocked = sold and "order.held" in history
    quantity = UNITS + restocked
    taken = ["reserve"] if paid else []
    if "order.held" in history:  # available units were set aside, then the rest from the restock
        taken = ["set_aside", "set_aside" if paid else "give_up"]
    ends = [*taken, "commit" if sold else "release"] if paid else taken
    moved = await stack.rows(
        "inventory", "SELECT kind FROM movements WHERE order_id = $1 ORDER BY seq", order_id
    )
    assert [row["kind"] for row in moved] == ends
    assert await stack.stock(sku) == (UNITS + restocked * RESTOCKED - sold * quantity, 0)
    charges = [
        charge for charge in (await stack.ledger())["charges"] if order_id in charge["reference"]
    ]
    assert sum(charge.get("captures", 0) for charge in charges) == paid
    kept = sum(charge.get("amountMinor", 0) - charge.get("refundedMinor", 0) for charge in charges)
    assert kept == sold * quantity * PRICE
    await assert_sound(stack)


async def _emitted(stack: Stack, order_id: str) -> "Counter[str]":
    """Counts live events of orders; inventory publishes `reservation_ready` under the same
    subject.
    """
    kinds = Counter(event["type"] for event in await stack.live_events(order_id))
    return Counter(
        {kind: times for kind, times in kinds.items() if kind.startswith(f"{PREFIX}order.")}
    )
