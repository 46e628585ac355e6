"""Statements about orders that count against the bounds of customers."""

from collections.abc import Sequence
from typing import NamedTuple

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Rows
from valerix.orders.bounds import Bound
from valerix.orders.order import Order

DECLINES_WITHIN = "interval '10 minutes'"


class Counting(NamedTuple):
    """An order and the bound it counts against; None: it counts no longer."""

    order: Order
    bound: Bound | None


class _CountingRow(NamedTuple):
    counting: Counting
    units: int


_COUNTING = Rows(
    _CountingRow,
    "counting.order.id uuid, counting.order.customer_id text, counting.bound text, units integer",
)


class BoundsRepository:
    """The orders that count, each with its bound."""

    async def count(self, tx: Transaction, counting: Sequence[Counting]) -> None:
        """Store the bound that each of these orders counts against from now on."""
        rows = [
            _CountingRow(each, sum(line.quantity for line in each.order.lines)) for each in counting
        ]
        await tx.execute(
            f"""
            WITH input AS (
                SELECT * FROM {_COUNTING.unnest}
            ), gone AS (
                DELETE FROM bounded_orders b USING input i
                WHERE b.order_id = i.id AND i.bound IS NULL
            )
            INSERT INTO bounded_orders (order_id, customer_id, bound, units, since)
            SELECT id, customer_id, bound, units, now() FROM input
            WHERE bound IS NOT NULL ORDER BY id
            ON CONFLICT (order_id) DO UPDATE SET bound = excluded.bound, units = excluded.units
            """,
            *_COUNTING.arrays(rows),
        )

    async def forget_declines(self, tx: Transaction) -> None:
        """Delete declines that no longer count."""
        await tx.execute(
            f"""
            DELETE FROM bounded_orders
            WHERE bound = '{Bound.DECLINED}' AND since < now() - {DECLINES_WITHIN}
            """
        )
