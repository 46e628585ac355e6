"""Statements about refunds by hand, one refund at a time."""

from valerix.chassis.postgres.database import Transaction
from valerix.contracts.events import ORDER_REFUNDED
from valerix.contracts.ids import is_id
from valerix.orders.order import Order
from valerix.orders.repository.rows import ORDER


class NotedRefundsRepository:
    """Notes refunds on orders, beside the runs that drive the orders."""

    async def lock_order(self, tx: Transaction, order_id: str) -> Order | None:
        """Lock one order: no other transaction can change it until this one ends.

        The id may be any text.
        """
        if not is_id(order_id):
            return None
        row = await tx.fetchrow(
            f"SELECT {ORDER.columns} FROM orders o WHERE o.id = $1 FOR UPDATE", order_id
        )
        return None if row is None else ORDER.read(row)

    async def claim_refund(self, tx: Transaction, refund_id: str, order_id: str) -> bool:
        """Record that the refund is noted; False if it was noted before."""
        claimed = await tx.fetchval(
            """
            INSERT INTO noted_refunds (refund_id, order_id) VALUES ($1, $2)
            ON CONFLICT (refund_id) DO NOTHING RETURNING true
            """,
            refund_id,
            order_id,
        )
        return bool(claimed)

    async def update_order(self, tx: Transaction, order: Order, data: str, trace_id: str) -> None:
        """Write an order that this transaction has locked, and its event.

        The time at which the order is due stays as it is.
        """
        await tx.execute(
            f"""
            WITH refunded AS (
                UPDATE orders SET refunded_minor = $2, version = $3, updated_at = $4 WHERE id = $1
            )
            INSERT INTO order_events (order_id, version, type, data, trace_id, occurred_at)
            VALUES ($1, $3, '{ORDER_REFUNDED}', $5, $6, $4)
            """,
            order.id,
            order.refunded_minor,
            order.version,
            order.updated_at,
            data,
            trace_id,
        )
