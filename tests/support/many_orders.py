"""Inserts thousands of orders into a database within a second, as months of business would leave
them.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import uuid_utils

from valerix.inventory.demo import PRODUCTS

ENDINGS = {
    "completed": (None, None),
    "failed": ("payment_declined", "The payment was declined (card_declined)"),
    "cancelled": ("order_cancelled", "Cancelled by the customer"),
    "pending": ("insufficient_stock", "Insufficient stock"),
}
WEIGHTS = (86, 6, 6, 2)
APART = timedelta(minutes=4)
INSERT_ORDERS = """
    INSERT INTO orders (id, customer_id, status, version, lines, payment_method, on_shortage,
                        currency, total_minor, allocations, error_code, error_message, created_at,
                        updated_at)
    SELECT id, customer, status, 2, lines::json, 'card_ok', 'hold', 'USD', total,
           CASE WHEN status = 'completed' THEN '[]'::json END, code, message, at, at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[],
                $7::text[], $8::timestamptz[])
         AS t(id, customer, status, lines, total, code, message, at)
"""
INSERT_PRODUCTS = "INSERT INTO order_products SELECT * FROM unnest($1::text[], $2::uuid[])"
INSERT_EVENTS = """
    INSERT INTO order_events (order_id, version, type, data, steps, trace_id, occurred_at)
    SELECT id, n, CASE n WHEN 1 THEN 'order.created' ELSE 'order.' || o.status END,
           json_build_object('status', CASE n WHEN 1 THEN 'pending' ELSE o.status END, 'errorCode',
                             CASE n WHEN 2 THEN o.error_code END, 'errorMessage',
                             CASE n WHEN 2 THEN o.error_message END),
           '[]', repeat('0', 32), o.created_at
    FROM orders o CROSS JOIN generate_series(1, 2) AS n
    WHERE o.version = 2 AND o.id = ANY($1::uuid[])
"""


class Made(NamedTuple):
    id: str
    customer: str
    status: str
    lines: str
    product: str
    total: int
    code: str | None
    message: str | None
    at: datetime


async def insert_orders(url: str, count: int, seed: int = 1) -> list[Made]:
    """Insert `count` finished or held orders of the demo customers, the newest some minutes old;
    newest first.

    The outbox stays empty: no event is published for an order that was never placed.
    """
    made = list(_orders(count, random.Random(seed)))  # noqa: S311 - test data
    columns: list[Any] = [list(column) for column in zip(*made, strict=True)]
    products = columns.pop(Made._fields.index("product"))
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            last = await connection.fetchval("SELECT coalesce(max(id), 0) FROM outbox")
            await connection.execute(INSERT_ORDERS, *columns)
            await connection.execute(INSERT_PRODUCTS, products, columns[0])
            await connection.execute(INSERT_EVENTS, columns[0])
            await connection.execute("DELETE FROM outbox WHERE id > $1", last)
        await connection.execute("ANALYZE orders, order_products")
    finally:
        await connection.close()
    return made


def _orders(count: int, dice: random.Random) -> Iterator[Made]:
    now = datetime.now(UTC)
    for number in range(1, count + 1):
        at = now - number * APART
        product, quantity = dice.choice(PRODUCTS), dice.randint(1, 4)
        (status,) = dice.choices(list(ENDINGS), WEIGHTS)
        price = None if status == "pending" else product.price.amount_minor
        lines = json.dumps([[product.product_id, quantity, product.name, price]])
        total = (price or 0) * quantity
        customer = f"CUST-{dice.randint(1, 9):03}"
        yield Made(
            _id(at, dice), customer, status, lines, product.product_id, total, *ENDINGS[status], at
        )


def _id(at: datetime, dice: random.Random) -> str:
    low = 0x7 << 76 | dice.getrandbits(12) << 64 | 0b10 << 62 | dice.getrandbits(62)
    return str(uuid_utils.UUID(int=int(at.timestamp() * 1000) << 80 | low))
