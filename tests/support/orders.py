"""A real orders service with orders that a test inserts directly, for services that read orders
from it. A pytest plugin.

The orders stay as inserted: no worker runs, and the services that orders calls are unavailable.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import asyncpg
import pytest

from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.contracts.ids import new_id

AWAY: Final = "http://127.0.0.1:9"
"""The discard port: no process listens there."""
TOTAL: Final = 1000
COLUMNS: Final[dict[str, object]] = {
    "customer_id": "CUST-001",
    "status": "pending",
    "version": 2,
    "payment_method": "card_ok",
    "on_shortage": "hold",
    "currency": "USD",
    "total_minor": TOTAL,
    "error_code": "payments_unavailable",
}


class WrittenOrders:
    """Inserts and changes orders in the database of `process`."""

    def __init__(self, process: Process, database: str) -> None:
        self.process = process
        self._database = database

    async def write(self, *lines: tuple[str, int], order_id: str = "", **columns: object) -> str:
        """Inserts an order and returns its id; it is pending and priced unless `columns` differ.
        `lines`: product, quantity.
        """
        rows = [
            [product, quantity, None, None] for product, quantity in lines or (("PROD-001", 1),)
        ]
        row = {
            "id": order_id or new_id(),
            **COLUMNS,
            "lines": json.dumps(rows),
            "allocations": "[]",
            **columns,
        }
        names = ", ".join(row)
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await self._execute(
            f"INSERT INTO orders ({names}, created_at, updated_at)"  # noqa: S608 - constant names
            f" VALUES ({places}, now(), now())",
            *row.values(),
        )
        products = list({product for product, *_ in rows})
        await self._execute(
            "INSERT INTO order_products SELECT unnest($2::text[]), $1", row["id"], products
        )
        return str(row["id"])

    async def change(self, order_id: str, **columns: object) -> None:
        """Changes columns of an order, as the saga or a customer would."""
        changes = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        statement = f"UPDATE orders SET {changes} WHERE id = $1"  # noqa: S608 - constant names
        await self._execute(statement, order_id, *columns.values())

    async def remember(self, order_id: str, entries: int, steps: object = None) -> None:
        """Adds `entries` events to the order's history, each with these steps."""
        await self._execute(
            "INSERT INTO order_events (order_id, version, type, data, steps, trace_id, occurred_at)"
            " SELECT $1, version, 'order.delayed', $3, $4, '', now()"
            " FROM generate_series(1, $2::integer) AS version",
            order_id,
            entries,
            json.dumps({"status": "pending", "errorCode": None, "errorMessage": None}),
            json.dumps(steps),
        )

    async def charge(self, **columns: Any) -> dict[str, Any]:
        """Inserts an order and returns the body of a capture by hand for the amount due."""
        order_id, row = await self.write(**columns), COLUMNS | columns
        amount = {"amountMinor": row["total_minor"], "currency": row["currency"]}
        return {
            "orderId": order_id,
            "customerId": row["customer_id"],
            "amount": amount,
            "method": row["payment_method"],
        }

    async def _execute(self, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self._database)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def written_orders(postgres: PostgresServer, identities: Identities) -> Iterator[WrittenOrders]:
    """Runs one orders service for all tests of a worker."""
    name, url = postgres.fresh_database("orders")
    away = dict.fromkeys(("users_url", "inventory_url", "payments_url"), AWAY)
    with running("orders", identities, database_url=url, **away) as process:
        yield WrittenOrders(process, url)
    postgres.drop(name)
