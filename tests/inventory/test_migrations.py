"""Orders that waited before a migration wait after it."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import asyncpg

from tests.inventory.conftest import assert_books_balance
from tests.support.migrations import migrate_up_to
from valerix.chassis.postgres.migrations import migrate


async def test_an_order_that_waited_before_the_update_has_its_row(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    url = database_url()
    await migrate_up_to("0007", "inventory", url, tmp_path)
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        INSERT INTO waiting_orders (order_id, since, trace_id, version, missing)
        VALUES ('o1', now(), '', 1, 2);
        INSERT INTO waiting_lines (order_id, sku, since, quantity, missing, set_aside)
        VALUES ('o1', 'A', now(), 2, 2, '[]');
        INSERT INTO reservations (order_id, state, lines, products)
        VALUES ('o2', 'released', '[]', '[]')
        """
    )
    await migrate(url, resources.files("valerix.inventory") / "migrations")
    rows = await connection.fetch("SELECT order_id, state FROM reservations ORDER BY order_id")
    await connection.close()
    assert [tuple(row) for row in rows] == [("o1", "absent"), ("o2", "released")]
    await assert_books_balance(url)
