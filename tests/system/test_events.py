"""The other half of an order - fulfilment, events, notifications - on whole stacks, once on each
bus.
"""

import asyncio
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pyreqwest.exceptions import RequestError
from websockets.asyncio.client import ClientConnection, connect

from tests.support import brokers
from tests.support.api import Answer, Api
from tests.support.blocking import run_blocking
from tests.support.eventually import eventually, eventually_equal
from tests.support.folders import empty_folder
from tests.support.stack import (
    ADA,
    GRACE,
    OPERATOR,
    Stack,
    assert_sound,
    new_product,
    place,
    settled,
)

STEPS = ["created", "confirmed", "processing", "shipped", "completed"]
MAILED = 3
"""E-mails per completed order: one each for confirmed, shipped and completed."""


@contextmanager
def broker(name: str, folder: Path) -> Iterator[brokers.RabbitServer | None]:
    """Yields the broker of a bus; None stands for the stack's own Valkey."""
    if name == "valkey":
        yield None
        return
    if not brokers.rabbitmq_is_installed():
        pytest.skip(f"needs Debian's package {brokers.PACKAGE}")
    node = brokers.RabbitServer(folder / "rabbitmq")
    node.start()
    try:
        yield node
    finally:
        node.close()


class LiveStack(Stack):
    """A stack in which orders are completed."""

    def __init__(self, data_dir: Path, node: brokers.RabbitServer | None) -> None:
        super().__init__(
            data_dir,
            dwell_seconds="0.2",
            hourly_limit="100000",
            **({} if node is None else {"bus_url": node.url}),
        )
        self._node = node

    def signal_bus(self, sent: signal.Signals) -> None:
        if self._node is None:
            os.kill(self.pid("valkey"), sent)
        else:
            self._node.send(sent)

    def lose_bus(self) -> None:
        """Kills the broker and deletes its data. The launcher, or this method, starts it again."""
        if self._node is None:
            os.kill(self.pid("valkey"), signal.SIGKILL)
            shutil.rmtree(self.data_dir / "valkey" / "appendonlydir")
        else:
            self._node.kill()
            self._node.forget()
            self._node.start()


@pytest.fixture(
    scope="module",
    params=["valkey", "rabbitmq"],
)
def live(request: pytest.FixtureRequest) -> Iterator[LiveStack]:
    """Provides a stack with two workers and two replicas of every consumer of events."""
    with empty_folder() as folder, broker(request.param, folder) as node:
        started = LiveStack(folder, node)
        try:
            names = ("worker", "orders", "inventory", "notifications")
            started.up(*(word for name in names for word in ("--replicas", f"{name}=2")))
            yield started
            run_blocking(assert_sound(started))
        finally:
            started.down()


async def completed(stack: Stack, ids: set[str], seconds: float = 120) -> None:
    """Waits until all these orders are completed."""

    async def all_completed() -> bool:
        rows = await stack.rows("orders", "SELECT id::text FROM orders WHERE status = 'completed'")
        return ids <= {row["id"] for row in rows}

    await eventually(all_completed, seconds)


async def quiet(stack: Stack, seconds: float = 120) -> None:
    """Waits until every outbox is empty and every queued message was sent."""

    async def nothing_left() -> bool:
        left = [
            await stack.rows(name, "SELECT 1 FROM outbox")
            for name in ("orders", "inventory", "payments", "users")
        ]
        queued = await stack.rows(
            "notifications", "SELECT 1 FROM notifications WHERE status = 'queued'"
        )
        return not any(left) and not queued

    await eventually(nothing_left, seconds)


async def mails(stack: Stack, order_id: str) -> Counter[str]:
    """Counts e-mails about one order by template."""
    rows = await stack.rows(
        "notifications",
        "SELECT template FROM notifications"
        " WHERE channel = 'email' AND event_id LIKE '%' || $1 || ':%'",
        order_id,
    )
    return Counter(row["template"] for row in rows)


async def assert_told_once(stack: Stack, ids: set[str]) -> None:
    """Asserts one e-mail per notified step, one live event per step, and no dead letter."""
    await quiet(stack)

    async def are_sent() -> bool:
        return all([sum((await mails(stack, one)).values()) >= MAILED for one in ids])

    await eventually(are_sent, 60)
    for one in ids:
        assert set((await mails(stack, one)).values()) == {1}
        names = Counter(event["type"] for event in await stack.live_events(one))
        assert names == Counter(f"valerix.order.{step}.v1" for step in STEPS)
    for database in ("orders", "inventory", "notifications"):
        assert not await stack.rows(database, "SELECT * FROM dead_letters")


@asynccontextmanager
async def socket(stack: Stack, email: str) -> AsyncIterator[ClientConnection]:
    token = await stack.token(email)
    url = stack.url.replace("http://", "ws://") + "/ws"
    async with connect(
        url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None
    ) as opened:
        yield opened


async def steps_seen(opened: ClientConnection, order_id: str) -> list[str]:
    """Returns the names of the order's events in order of arrival, until it is completed."""
    seen: list[str] = []
    async with asyncio.timeout(60):
        while "completed" not in seen:
            message: dict[str, Any] = json.loads(await opened.recv())
            if message.get("subject") == order_id:
                seen.append(message["type"].removeprefix("valerix.order.").removesuffix(".v1"))
    return seen


async def test_an_order_completes_and_everybody_who_must_knows_once(live: Stack) -> None:
    async with live.api(OPERATOR) as operator, live.api(ADA) as ada, socket(live, ADA) as mine:
        await new_product(operator, "LIVE-1", 100)
        async with socket(live, GRACE) as others:
            order = (await place(ada, {"LIVE-1": 2})).json
            assert await steps_seen(mine, order["id"]) == STEPS
            await place(operator, {"LIVE-1": 1}, customer="CUST-002")
            async with asyncio.timeout(60):
                first = json.loads(await others.recv())
                while "subject" not in first:
                    first = json.loads(await others.recv())
            assert first["subject"] != order["id"], "a customer saw another's order"
        await completed(live, {order["id"]})
        await assert_told_once(live, {order["id"]})
    assert (await live.stock("LIVE-1"))[0] <= 98


async def test_a_backorder_completes_by_itself_after_a_restock(live: Stack) -> None:
    async with live.api(OPERATOR) as operator, live.api(ADA) as ada:
        await new_product(operator, "BACK-1", 1)
        answer = await place(ada, {"BACK-1": 3}, onShortage="backorder")
        assert answer.status == 409
        order_id = answer.json["order"]["id"]
        restock = {
            "productId": "BACK-1",
            "warehouseId": "WH-WEST",
            "delta": 5,
            "reason": "delivery",
        }
        assert (await operator.post("/api/v1/inventory/adjust", restock)).status == 200
        await completed(live, {order_id})  # the worker's own next sweep starts after an hour
    assert await live.stock("BACK-1") == (3, 0)


async def test_cancelling_is_refused_once_the_goods_have_left(live: Stack) -> None:
    async with live.api(ADA) as ada:
        order = (await place(ada, {"PROD-017": 1})).json
        await completed(live, {order["id"]})
        answer = await ada.call("DELETE", f"/api/v1/orders/{order['id']}")
        assert (answer.status, answer.json["code"]) == (409, "not_cancellable")


async def test_cancelling_at_any_moment_leaves_stock_and_money_in_agreement(live: Stack) -> None:
    async with live.api(OPERATOR) as operator, live.api(ADA) as ada:
        await new_product(operator, "ANYTIME-1", 1000)

        async def one(number: int) -> None:
            order = (await place(ada, {"ANYTIME-1": 1})).json
            await asyncio.sleep(number * 0.02)
            await ada.call("DELETE", f"/api/v1/orders/{order['id']}")

        await asyncio.gather(*(one(number) for number in range(40)))

        async def all_ended() -> bool:
            orders = await live.orders_of("ANYTIME-1")
            return all(order["status"] in ("completed", "cancelled", "failed") for order in orders)

        await eventually(all_ended, 120)
        by_status = Counter(order["status"] for order in await live.orders_of("ANYTIME-1"))
    assert set(by_status) <= {"completed", "cancelled"}
    assert await live.stock("ANYTIME-1") == (1000 - by_status["completed"], 0)


async def test_orders_are_accepted_while_users_is_away(live: Stack) -> None:
    async with live.api(ADA) as ada, live.api(OPERATOR) as operator:
        os.kill(live.pid("users"), signal.SIGSTOP)
        try:
            answers = [
                await place(ada, {"PROD-018": 1}),
                await place(operator, {"PROD-018": 1}, customer="CUST-004"),
            ]
        finally:
            os.kill(live.pid("users"), signal.SIGCONT)
    assert [answer.status for answer in answers] == [201, 201]


async def place_until_answered(api: Api, sku: str, key: str) -> Answer:
    async with asyncio.timeout(90):
        while True:
            try:
                answer = await place(api, {sku: 1}, key=key)
            except RequestError:
                await asyncio.sleep(0.1)
                continue
            if answer.status in (200, 201, 202):
                return answer
            await asyncio.sleep(0.1)


async def traffic(stack: Stack, sku: str, customers: int = 4, each: int = 10) -> set[str]:
    """Places orders concurrently and returns the ids of the acknowledged ones."""
    async with stack.api(ADA) as ada:

        async def customer(number: int) -> set[str]:
            ids = set()
            for n in range(each):
                ids.add((await place_until_answered(ada, sku, f"{sku}-{number}-{n}")).json["id"])
                await asyncio.sleep(0.05)
            return ids

        return set().union(
            *await asyncio.gather(*(customer(number) for number in range(customers)))
        )


async def test_with_the_bus_away_orders_are_accepted_and_told_later(live: LiveStack) -> None:
    async with live.api(OPERATOR) as operator:
        await new_product(operator, "AWAY-1", 1000)
    live.signal_bus(signal.SIGSTOP)
    try:
        ids = await traffic(live, "AWAY-1")
    finally:
        live.signal_bus(signal.SIGCONT)
    assert len(ids) == 40
    await completed(live, ids)
    await assert_told_once(live, ids)


async def test_nothing_is_lost_or_doubled_while_relays_workers_and_consumers_die(
    live: Stack,
) -> None:
    async with live.api(OPERATOR) as operator:
        await new_product(operator, "DIES-1", 1000)
    orders = asyncio.create_task(traffic(live, "DIES-1", each=25))
    victims = [
        "worker",
        "orders",
        "notifications",
        "inventory",
        "worker-2",
        "orders-2",
        "inventory-2",
    ]
    for victim in [*victims, *victims]:
        await asyncio.sleep(0.3)
        process = live.state["processes"][victim]["identity"]
        if process is not None:
            with suppress(
                ProcessLookupError
            ):  # dead already, and the launcher's state does not show it yet
                os.kill(process["pid"], signal.SIGKILL)
    ids = await orders
    assert len(ids) == 100
    await completed(live, ids, 120)
    await assert_told_once(live, ids)
    assert await live.stock("DIES-1") == (900, 0)
    await assert_sound(live)


async def sent_messages(stack: Stack, ids: set[str]) -> Counter[tuple[str, str, str]]:
    """Counts the sent messages about these orders: (order, channel, template)."""
    rows = await stack.rows(
        "notifications", "SELECT id::text, event_id, channel, template FROM notifications"
    )
    about = {
        row["id"]: row
        for row in rows
        if (row["event_id"] or "").rpartition("/")[2].split(":")[0] in ids
    }
    log = [
        json.loads(line)
        for name in stack.copies("notifications")
        for line in stack.log(name).splitlines()
    ]
    sent = [about[line["notification_id"]] for line in log if line.get("notification_id") in about]
    return Counter(
        (row["event_id"].rpartition("/")[2].split(":")[0], row["channel"], row["template"])
        for row in sent
    )


def verdicts(stack: Stack) -> dict[str, int]:
    """Returns the findings by broken rule, including those that work in progress may still
    resolve.
    """
    report = json.loads(stack.cli("audit", "--unfinished-after", "0", "--json", check=False).stdout)
    return {
        rule["rule"]: rule["value"]
        for rule in report["verdicts"]
        if rule["value"] and rule["binding"]
    }


async def outboxes_are_empty(stack: Stack) -> bool:
    return not any(
        [
            await stack.rows(name, "SELECT 1 FROM outbox")
            for name in ("orders", "inventory", "payments")
        ]
    )


async def assert_mailed_once(stack: Stack, ids: set[str]) -> None:
    """Asserts that each order's messages were all sent once."""
    messages = [("email", step) for step in ("confirmed", "shipped", "completed")] + [
        ("sms", "shipped")
    ]
    expected = Counter(
        {(one, channel, f"order_{step}"): 1 for one in ids for channel, step in messages}
    )
    await quiet(stack)
    await eventually_equal(lambda: sent_messages(stack, ids), expected, 120)


@pytest.mark.full
async def test_what_a_bus_lost_is_found_and_told_once(live: LiveStack) -> None:
    """The outboxes are empty, so the lost messages existed on the bus only."""
    async with live.api(OPERATOR) as operator:
        await new_product(operator, "LOST-1", 1000)
    before = await traffic(live, "LOST-1", each=2)
    await completed(live, before)
    await assert_told_once(live, before)
    with live.kept_down("notifications"):
        ids = await traffic(live, "LOST-1", each=5)
        await completed(live, ids)
        await eventually(lambda: outboxes_are_empty(live))
        live.lose_bus()
    ids -= before
    await settled(live)

    async def found() -> bool:
        return verdicts(live) == {
            "notifications": 4 * len(ids)
        }  # confirmed, shipped by two channels, completed

    await eventually(found)
    assert await sent_messages(live, ids) == Counter()

    assert (
        "valerix bus replay --since 1d"
        in live.cli("audit", "--unfinished-after", "0", check=False).stdout
    )
    for _ in range(2):
        said = live.cli("bus", "replay", "--since", "1h").stdout
        assert "valerix audit" in said
        await assert_mailed_once(live, before | ids)
    assert verdicts(live) == {}
