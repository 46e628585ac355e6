"""One customer cannot reserve what others need.

New orders beyond a bound are refused, and nothing is written about them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.orders.test_one_answer import directory
from tests.orders.test_quote import Shop
from tests.support.migrations import migrate_up_to
from tests.support.stock_wait import STOCK_WAIT
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import Database
from valerix.chassis.postgres.migrations import migrate
from valerix.contracts import commands
from valerix.contracts.ids import new_id
from valerix.contracts.states import OrderStatus, PaymentStatus
from valerix.orders.answers import Answer
from valerix.orders.bounds import Bounds
from valerix.orders.composition import PLANNED, OrderFlows, connect
from valerix.orders.decisions import Retry
from valerix.orders.errors import BeyondBounds
from valerix.orders.order import OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.saga import Saga, Services

BOUNDS = Bounds(waiting_orders=2, unpaid_units=5, declines=2)


class UndecidedShop(Shop):
    """A shop with payments that are decided or not."""

    def __init__(self) -> None:
        super().__init__(A=500)
        self.decided = True

    def _capture(self, command: commands.CapturePayment) -> commands.PaymentOutcome:
        if not self.decided:
            return commands.PaymentOutcome(
                command.order_id, command.order_id, PaymentStatus.PROCESSING, "silent"
            )
        return super()._capture(command)


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4, PLANNED) as opened:
        yield opened


@pytest.fixture
def shop() -> UndecidedShop:
    return UndecidedShop()


@pytest.fixture
def flows(database: Database, shop: UndecidedShop) -> OrderFlows:
    saga = Saga(
        Services(shop, shop, shop), directory, STOCK_WAIT, timedelta(hours=1), Retry(1, 1), 0
    )
    return connect(database, database, saga, lambda: None, max_concurrent_batches=2, bounds=BOUNDS)


def request(customer: str = "CUST-001", **wanted: Any) -> PlaceRequest:
    method, quantity = wanted.pop("method", "card_ok"), wanted.pop("quantity", 1)
    order = new_order(customer, [OrderLine("A", quantity)], method, "hold", None)
    plain = PlaceRequest(order, None, b"", "t" * 32, Deadline.after(60), bounded=True)
    return replace(plain, **wanted)


async def statuses(flows: OrderFlows, *wanted: PlaceRequest) -> list[int | str]:
    """Return the statuses of the answers; for a refusal the bound that it names."""
    answers: list[Answer | BaseException] = await asyncio.gather(
        *map(flows.placing.place, wanted), return_exceptions=True
    )
    return [answer.status if isinstance(answer, Answer) else _bound(answer) for answer in answers]


def _bound(error: BaseException) -> str:
    assert isinstance(error, BeyondBounds), repr(error)
    return str(error.extra["bound"])


async def counting(database: Database) -> int:
    async with database.connection() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM bounded_orders"))


async def written(database: Database) -> tuple[int, int]:
    async with database.connection() as tx:
        row = await tx.fetchrow(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_events)"
        )
    assert row is not None
    return row[0], row[1]


async def test_no_more_orders_wait_for_one_customer(
    database: Database, flows: OrderFlows, shop: UndecidedShop
) -> None:
    shop.in_stock = False
    held = [request(), request()]
    assert await statuses(flows, *held) == [409, 409]
    before = await written(database)
    assert await statuses(flows, request(), request()) == ["waiting", "waiting"]
    assert await written(database) == before
    others = [request("CUST-002"), request(), request(bounded=False), request("CUST-002")]
    assert await statuses(flows, *others) == [409, "waiting", 409, 409]
    for order in (held[0].order, others[2].order):
        await flows.changes.cancel(order.id, None, "changed my mind", Deadline.after(60))
    assert await statuses(flows, request()) == [409]


async def test_what_was_answered_before_is_answered_again(
    flows: OrderFlows, shop: UndecidedShop
) -> None:
    shop.in_stock = False
    wanted = [request(key=b"1"), request(key=b"2")]
    first = [await flows.placing.place(each) for each in wanted]
    again = [await flows.placing.place(request(key=key)) for key in (b"1", b"2")]
    assert again == [answer._replace(replayed=True) for answer in first]
    assert await statuses(flows, request(key=b"3")) == ["waiting"]


async def test_a_customer_is_declined_so_often_in_ten_minutes(
    database: Database, flows: OrderFlows
) -> None:
    assert await statuses(flows, request(method="card_declined")) == [402]
    assert await statuses(flows, request(method="card_declined")) == [402]
    assert await statuses(flows, request(), request("CUST-002"), request(bounded=False)) == [
        "declined",
        201,
        201,
    ]
    async with database.connection() as tx:
        await tx.execute("UPDATE bounded_orders SET since = now() - interval '11 minutes'")
    assert await statuses(flows, request()) == [201]
    await flows.fulfilment.forget_declines()
    assert await counting(database) == 0


async def test_so_many_units_are_kept_for_payments_that_are_not_decided(
    database: Database, flows: OrderFlows, shop: UndecidedShop
) -> None:
    shop.decided = False
    assert await statuses(flows, request(quantity=4)) == [202]
    assert await statuses(flows, request(quantity=1)) == [202]
    assert await statuses(flows, request(), request("CUST-002")) == ["unpaid", 202]
    shop.decided = True
    async with database.connection() as tx:
        await tx.execute("UPDATE orders SET due_at = now() WHERE due_at IS NOT NULL")
    await flows.fulfilment.sweep(100, Deadline.after(60))
    assert await statuses(flows, request()) == [201]
    assert await counting(database) == 0


async def test_an_order_that_is_confirmed_at_once_leaves_nothing(
    database: Database, flows: OrderFlows
) -> None:
    assert await statuses(flows, *(request() for _ in range(20))) == [201] * 20
    assert await counting(database) == 0


async def test_without_bounds_nothing_is_refused(database: Database, shop: UndecidedShop) -> None:
    saga = Saga(
        Services(shop, shop, shop), directory, STOCK_WAIT, timedelta(hours=1), Retry(1, 1), 0
    )
    nothing = connect(
        database, database, saga, lambda: None, max_concurrent_batches=2, bounds=Bounds(0, 0, 0)
    )
    shop.in_stock = False
    for _ in range(2):
        assert await statuses(nothing, *(request() for _ in range(60))) == [409] * 60


async def test_orders_that_waited_before_there_were_bounds_count(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    url, folder = database_url(), resources.files("valerix.orders") / "migrations"
    await migrate_up_to("0006", "orders", url, tmp_path)
    connection = await asyncpg.connect(url)
    for order_id, code in (
        (new_id(), "insufficient_stock"),
        (new_id(), "inventory_unavailable"),
        (new_id(), None),
    ):
        await connection.execute(
            """
            INSERT INTO orders (id, customer_id, status, version, lines,
                                payment_method, on_shortage, error_code, created_at, updated_at)
            VALUES ($1, 'CUST-001', $2, 1, '[["A", 2, null, null], ["B", 3, null, null]]',
                    'card_ok', 'hold', $3, now(), now())
            """,
            order_id,
            OrderStatus.PENDING,
            code,
        )
    await migrate(url, folder)
    rows = await connection.fetch("SELECT customer_id, bound, units FROM bounded_orders")
    await connection.close()
    assert [tuple(row) for row in rows] == [("CUST-001", "waiting", 5)]
