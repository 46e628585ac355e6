"""The plans of statements: each walks an index no further than necessary.

This holds however many orders there are.
"""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.orders.statements import DRIVING, SEARCH
from tests.support.many_orders import insert_orders
from tests.support.planner import Planner
from valerix.orders.composition import PLANNED
from valerix.orders.order import OrderFilter
from valerix.orders.transitions import LOCAL_STEPS

COUNT = 20_000
"""With half as many, PostgreSQL may well read the entire table rather than walk an index."""


@pytest.fixture
async def connection(database_url: Callable[..., str]) -> AsyncIterator[Connection]:
    """A connection to a database with many orders, some of them due."""
    url = database_url("orders")
    await insert_orders(url, COUNT)
    opened = await asyncpg.connect(url, server_settings={"jit": "off"})
    await opened.execute("UPDATE orders SET due_at = now() WHERE status = 'pending'")
    await opened.execute("VACUUM ANALYZE orders, order_products")
    yield opened
    await opened.close()


async def listed(connection: Connection, **filters: Any) -> str:
    planner: Any = Planner(connection)
    wanted = OrderFilter(limit=51, **filters)
    await SEARCH.list_orders(planner, wanted)
    plan: str = planner.plan
    return plan


async def test_a_page_of_a_product_walks_its_orders(connection: Connection) -> None:
    after = await connection.fetchval(
        "SELECT id::text FROM orders ORDER BY id OFFSET $1 LIMIT 1", COUNT // 2
    )
    plan = await listed(connection, product_id="PROD-007", after=after)
    assert "Index Only Scan Backward using order_products_pkey" in plan
    assert "((product_id = 'PROD-007'::text) AND (id < " in plan
    assert "Seq Scan" not in plan


async def test_a_search_walks_an_index_for_each_thing_that_may_be_meant(
    connection: Connection,
) -> None:
    plan = await listed(connection, search="PROD-007")
    assert "using order_products_pkey" in plan
    assert "using orders_by_customer" in plan
    assert "Seq Scan" not in plan
    assert "using orders_pkey on orders o_1" in await listed(connection, search="01a1fdfc-5a0f")
    plan = await listed(connection, search="…769c3417a559")
    assert "Index Scan using order_products_by_end" in plan
    assert "Index Cond: (SUBSTRING(uuid_send(" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("kind", ["unaided", "others"])
@pytest.mark.parametrize("age", ["young", "old"])
async def test_each_kind_of_due_orders_is_a_range_of_one_index(
    database_url: Callable[..., str], connection: Connection, kind: str, age: str
) -> None:
    """A failure means that the rule of the domain and that of the index differ.

    That takes a new migration.
    """
    young = await asyncpg.connect(database_url("orders"))
    planner: Any = Planner(young if age == "young" else connection)
    for setting, value in PLANNED.items():
        await planner.connection.execute(f"SET {setting} = {value}")
    if kind == "unaided":
        await DRIVING.lock_due_local(planner, 100)
    else:
        await DRIVING.claim_due(planner, 100, timedelta(seconds=20))
    await young.close()
    local = "true" if kind == "unaided" else "false"
    wanted = f"(status = ANY ('{{{','.join(LOCAL_STEPS)}}}'::text[]))) = {local})"
    assert "Index Scan using orders_due" in planner.plan
    assert f"{wanted} AND (due_at <= now())" in planner.plan
    assert "Sort" not in planner.plan
