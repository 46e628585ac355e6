"""A disk that is full for a while: acknowledged orders end, and no process needs a restart by
hand.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from pyreqwest.exceptions import RequestError

from tests.support.api import Answer, Api
from tests.support.disks import filled, mounted
from tests.support.eventually import eventually, until
from tests.support.groups import QUICK, UNBOUNDED
from tests.support.shop import new_product, place
from tests.support.stack import OPERATOR, Stack, assert_sound
from valerix.chassis.base.tasks import end
from valerix.contracts.states import OrderStatus
from valerix.launcher.postgres import SUPERUSER
from valerix.launcher.postgres import url as database_url

pytestmark = pytest.mark.full

DISK_BYTES: Final = 512 * 1024 * 1024
SKU: Final = "SKU-FULL-DISK"
SERVICES: Final = (
    "users",
    "inventory",
    "payments",
    "orders",
    "worker",
    "notifications",
    "console",
    "psp",
)
KILLED: Final = ("worker", "inventory", "psp")
SWITCHES: Final = 40
"""Switches of PostgreSQL's WAL to its next file: more than it has created in advance."""


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    with mounted(DISK_BYTES) as folder:
        yield folder


@pytest.fixture(scope="module")
def stack(disk: Path) -> Iterator[Stack]:
    stack = Stack(disk / "data", **QUICK, **UNBOUNDED)
    stack.up()
    yield stack
    stack.down()


class Shop:
    """Places orders sequentially, each under a separate key, and records the answers."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.acknowledged: dict[str, str] = {}
        """Order ids by key."""
        self.open: list[str] = []
        """Keys without a definite answer."""
        self.statuses: Counter[int] = Counter()

    async def order(self) -> None:
        for number in count():
            await self.send(f"{os.getpid()}-{number}")
            await asyncio.sleep(0.05)

    async def send(self, key: str) -> None:
        try:
            answer = await place(self._api, {SKU: 1}, key=key)
        except RequestError:
            self.statuses[0] += 1
            self.open.append(key)
            return
        self.statuses[answer.status] += 1
        if answer.status in (200, 201, 202):
            self.acknowledged[key] = answer.json["id"]
        else:
            assert answer.status in (409, 429, 502, 503, 504), answer.body
            self.open.append(key)

    async def send_again(self) -> bool:
        """Sends unanswered orders again; returns whether all have a definite answer now."""
        keys, self.open = self.open, []
        for key in keys:
            await self.send(key)
        return not self.open


@asynccontextmanager
async def ordering(shop: Shop) -> AsyncIterator[None]:
    task = asyncio.create_task(shop.order())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        await end([task])


async def test_everything_goes_on_by_itself_when_there_is_room_again(
    stack: Stack, disk: Path
) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, SKU, 100_000)
    async with stack.api() as api:
        shop = Shop(api)
        async with ordering(shop):
            await until(lambda: len(shop.acknowledged) >= 20)
            former = {name: stack.pid(name) for name in ("postgres", "valkey", *KILLED)}
            with filled(disk):
                await until(lambda: not _is_there(former["valkey"]))
                await _crash_database(stack)
                for name in KILLED:
                    os.kill(former[name], signal.SIGKILL)
                refused = shop.statuses[503]
                await until(lambda: shop.statuses[503] >= refused + 20)
                assert not _is_there(former["postgres"])
            before = len(shop.acknowledged)
            await until(lambda: len(shop.acknowledged) >= before + 20)
        await eventually(shop.send_again)
        await eventually(lambda: _all_completed(api, [*shop.acknowledged.values()]))
    await eventually(lambda: _all_ready(stack))
    assert len({*shop.acknowledged.values()}) == len(shop.acknowledged)
    assert len(await stack.orders_of(SKU)) == len(shop.acknowledged)
    await assert_sound(stack)
    assert all(process["healthy"] for process in stack.state["processes"].values())
    assert not {name for name, pid in former.items() if stack.pid(name) == pid}


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists()


async def _crash_database(stack: Stack) -> None:
    """Crashes PostgreSQL: it ends all sessions when it cannot create the next file of its WAL."""
    url = database_url(
        stack.state["ports"]["postgres"], SUPERUSER, stack.secret("postgres"), "postgres"
    )
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        connection = await asyncpg.connect(url)
        for _ in range(SWITCHES):
            await connection.execute(
                "SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()"
            )


async def _all_completed(api: Api, orders: list[str]) -> bool:
    for order in orders:
        answer: Answer = await api.get(f"/api/v1/orders/{order}")
        if answer.status != 200 or answer.json["status"] != OrderStatus.COMPLETED:
            return False
    return True


async def _all_ready(stack: Stack) -> bool:
    for name in SERVICES:
        async with Api.open(stack.service_url(name)) as service:
            ready = await service.get("/ready")
        if ready.status != 200 or any(
            check["status"] != "ok" for check in ready.json["checks"].values()
        ):
            return False
    return True
