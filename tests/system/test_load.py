"""`valerix load` on a whole stack: its final list compared with the databases."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from tests.support.eventually import eventually
from tests.support.stack import (
    GRACE,
    OPERATOR,
    ROOT,
    Stack,
    assert_sound,
    new_product,
    place,
    settled,
)

TROUBLED = """
    SELECT DISTINCT o.id FROM orders o JOIN order_events e ON e.order_id = o.id
        JOIN order_products p ON p.order_id = o.id
    WHERE p.product_id = $1 AND (o.status = 'failed' OR e.type = 'order.delayed' OR EXISTS (
        SELECT 1 FROM json_array_elements(e.steps) s WHERE (s->>'attempt')::int > 1))
"""


class Load:
    """The running command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, stack: Stack, *options: str) -> "Load":
        where = () if "--url" in options else ("--data-dir", str(stack.data_dir))
        words = ["-m", "valerix.cli.main", "load", "--json", *where, *options]
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, *words, cwd=ROOT, stdout=pipe, stderr=pipe
            )
        )

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    async def report(self, status: int = 0) -> dict[str, Any]:
        async with asyncio.timeout(200):
            out, err = await self._process.communicate()
        assert self._process.returncode == status, err.decode() + out.decode()
        report: dict[str, Any] = json.loads(out)
        return report


async def ids(stack: Stack, sku: str) -> set[str]:
    return {str(order["id"]) for order in await stack.orders_of(sku)}


async def ordered(stack: Stack, sku: str, count: int) -> None:
    async def enough() -> bool:
        return len(await ids(stack, sku)) >= count

    await eventually(enough, 60)


async def sell(stack: Stack, sku: str, units: int) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, sku, units)


async def recovered(stack: Stack) -> None:
    """Waits until both replicas of orders call inventory again, as the following tests require."""
    async with stack.api(OPERATOR) as operator:

        async def in_a_row() -> bool:
            return all([(await place(operator, {"LOAD-1": 1})).status == 201 for _ in range(4)])

        await eventually(in_a_row, 120)


async def test_load_lists_exactly_the_orders_that_met_trouble(stack: Stack) -> None:
    await sell(stack, "LOAD-1", 1000)
    wanted = (
        "--orders",
        "60",
        "--seed",
        "1",
        "--rate",
        "15",
        "--product",
        "LOAD-1",
        "--no-restock",
    )
    load = await Load.start(stack, *wanted, "--payment", "card_declined=0.1", "--duplicates", "0.5")
    await ordered(stack, "LOAD-1", 10)
    for victim in ("inventory", "inventory-2"):
        os.kill(stack.pid(victim), signal.SIGKILL)
    report = await load.report()
    await settled(stack)
    placed = await ids(stack, "LOAD-1")
    troubled = {str(row["id"]) for row in await stack.rows("orders", TROUBLED, "LOAD-1")}
    listed = {order["orderId"]: order for order in report["affected"]}
    own_troubles = {
        id_ for id_, order in listed.items() if order["effects"] == ["late"] or order["sends"] > 1
    }
    """Data that only the client has."""
    assert (report["ok"], report["orders"], len(placed)) == (True, 60, 60)
    assert set(listed) - own_troubles == troubled - own_troubles
    assert troubled <= set(listed) <= placed
    assert all(order["reasons"] for order in listed.values())
    declined = {
        str(order["id"]) for order in await stack.orders_of("LOAD-1") if order["status"] == "failed"
    }
    assert (
        {id_ for id_, order in listed.items() if "declined" in order["effects"]}
        == declined
        != set()
    )
    retried = {id_ for id_, order in listed.items() if "retried" in order["effects"]}
    assert retried, "inventory was killed, but no request was retried"
    assert report["duplicates"] > 0
    assert report["violations"] == []
    await assert_sound(stack)
    await recovered(stack)


async def test_load_brings_in_stock_unless_told_not_to(stack: Stack) -> None:
    await sell(stack, "LOAD-2", 1)
    wanted = ("--orders", "12", "--concurrency", "3", "--product", "LOAD-2", "--reads", "0")
    short = await (await Load.start(stack, *wanted, "--no-restock")).report()
    refused = [order for order in short["affected"] if "short of stock" in order["effects"]]
    assert len(refused) in (11, 12), "only one unit was available"
    assert {order["status"] for order in refused} == {"failed"}
    filled = await (await Load.start(stack, *wanted)).report()
    assert filled["restocked"] > 0
    assert "short of stock" not in {
        effect for order in filled["affected"] for effect in order["effects"]
    }


async def test_load_ends_when_interrupted_and_still_tells(stack: Stack) -> None:
    await sell(stack, "LOAD-3", 1000)
    load = await Load.start(
        stack, "--for", "300", "--rate", "10", "--product", "LOAD-3", "--no-restock"
    )
    await ordered(stack, "LOAD-3", 5)
    load.interrupt()
    report = await load.report(130)
    assert (report["ok"], report["interrupted"]) == (True, True)
    assert report["orders"] == len(await ids(stack, "LOAD-3"))


async def test_a_customer_loads_with_their_own_orders(stack: Stack) -> None:
    await sell(stack, "LOAD-4", 100)
    async with stack.api(None) as guest:
        login = await guest.post(
            "/api/v1/users/login", {"email": GRACE, "password": stack.secret("demo")}
        )
    where = ("--url", stack.url, "--token", login.json["accessToken"])
    report = await (
        await Load.start(stack, *where, "--orders", "5", "--product", "LOAD-4")
    ).report()
    assert (report["ok"], report["orders"], report["restocked"]) == (True, 5, 0)
    assert [order["customer_id"] for order in await stack.orders_of("LOAD-4")] == ["CUST-002"] * 5


async def test_load_that_cannot_begin_says_why(stack: Stack) -> None:
    refused = stack.cli(
        "load", "--orders", "1", "--url", stack.url, "--token", "nonsense", check=False
    )
    assert refused.returncode == 2, "only one of data directory and address is allowed"
    wrong = stack.cli("load", "--orders", "1", "--payment", "cash=1", check=False)
    assert (wrong.returncode, "cash" in wrong.stderr) == (2, True)
