"""Statements for changes to orders."""

from collections.abc import Sequence
from datetime import timedelta

from valerix.chassis.postgres.database import Transaction
from valerix.orders.order import Order, OrderLine
from valerix.orders.repository.rows import json_of


class ChangesRepository:
    """Statements about data beside the version of an order: products, expected total, due time."""

    async def replace_products(
        self, tx: Transaction, order: Order, before: Sequence[OrderLine]
    ) -> None:
        """Replace the product rows by which the order is found, after a change of its lines.

        Stores the total that the new lines may cost, too.
        """
        await tx.execute(
            """
            WITH gone AS (
                DELETE FROM order_products
                WHERE order_id = $1
                  AND product_id = ANY($2::text[]) AND product_id <> ALL($3::text[])
            ), expecting AS (
                UPDATE orders SET expected_total = $4 WHERE id = $1
            )
            INSERT INTO order_products (product_id, order_id)
            SELECT unnest($3::text[]), $1 ON CONFLICT DO NOTHING
            """,
            order.id,
            [line.product_id for line in before],
            [line.product_id for line in order.lines],
            json_of(order.expected_total),
        )

    async def find_due_in(self, tx: Transaction, order_id: str) -> timedelta | None:
        """Return the time until the order is due; None if it does not wait for anything."""
        due_in: timedelta | None = await tx.fetchval(
            "SELECT due_at - now() FROM orders WHERE id = $1", order_id
        )
        return due_in
