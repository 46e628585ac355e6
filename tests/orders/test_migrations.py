"""Orders from before a migration are found after it."""

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import asyncpg

from tests.orders.statements import SEARCH
from tests.support.migrations import migrate_up_to
from valerix.chassis.postgres.database import Database
from valerix.chassis.postgres.migrations import migrate
from valerix.contracts.ids import new_id
from valerix.orders.order import OrderFilter


async def test_orders_placed_before_are_found_by_what_their_lines_say(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    """The old column is not used: for a changed order it still had the first products."""
    url, folder = database_url(), resources.files("valerix.orders") / "migrations"
    await migrate_up_to("0003", "orders", url, tmp_path)
    order_id, lines = (
        new_id(),
        json.dumps([["NEW-1", 1, None, None], ['"2"', 2, None, None], ["NEW-1", 3, None, None]]),
    )
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO orders (id, customer_id, status, version, lines, product_ids,
                            payment_method, on_shortage, due_at, created_at, updated_at)
        VALUES ($1, 'CUST-001', 'pending', 1, $2, '{OLD-1}',
                'card_ok', 'hold', now(), now(), now())
        """,
        order_id,
        lines,
    )
    await connection.close()
    assert "0004_order_products.sql" in await migrate(url, folder)
    async with Database.open(url, 1) as database, database.connection() as tx:
        for product, wanted in {"NEW-1": [order_id], '"2"': [order_id], "OLD-1": []}.items():
            found = await SEARCH.list_orders(
                tx, OrderFilter(limit=9, ascending=True, product_id=product)
            )
            assert [order.id for order in found] == wanted
