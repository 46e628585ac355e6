"""Statements about the local copy of data from other services' events."""

from collections.abc import Sequence

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Rows
from valerix.contracts.states import OrderStatus, sql
from valerix.orders.order import CustomerSeen

_SEEN = Rows(CustomerSeen, "customer_id text, standing text, sequence integer")


class ReadModelRepository:
    """Customers as their events describe them, and orders that wait for stock."""

    async def upsert_customers(self, tx: Transaction, seen: Sequence[CustomerSeen]) -> None:
        """Store customers that are newer than the stored ones.

        Sorted, so that two batches cannot wait for each other.
        """
        await tx.execute(
            f"""
            INSERT INTO customers_seen AS c ({_SEEN.names}) SELECT * FROM {_SEEN.unnest}
            ON CONFLICT (customer_id) DO UPDATE
            SET standing = excluded.standing, sequence = excluded.sequence, seen_at = now()
            WHERE c.sequence < excluded.sequence
            """,
            *_SEEN.arrays(sorted(seen)),
        )

    async def list_standings(self, tx: Transaction, customer_ids: Sequence[str]) -> dict[str, str]:
        """Return the standing of each customer in the list that events have described."""
        rows = await tx.fetch(
            "SELECT customer_id, standing FROM customers_seen WHERE customer_id = ANY($1::text[])",
            customer_ids,
        )
        return {row["customer_id"]: row["standing"] for row in rows}

    async def make_ready_due(self, tx: Transaction, order_ids: Sequence[str]) -> None:
        """Make these orders due for the next sweep.

        A run that met the shortage before is fenced: it would postpone them.
        """
        await tx.execute(
            f"""
            UPDATE orders SET due_at = now(), lease_epoch = lease_epoch + 1
            WHERE id IN (
                SELECT id FROM orders
                WHERE id = ANY($1::uuid[]) AND status = {sql(OrderStatus.PENDING)}
                ORDER BY id FOR UPDATE)
            """,
            order_ids,
        )
