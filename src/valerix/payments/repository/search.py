"""Statements that only read."""

from valerix.chassis.base.pagination import MAX_LIMIT
from valerix.chassis.postgres.database import Transaction, Where
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.ids import find_range
from valerix.payments.domain import Payment, PaymentEvent, PaymentFilter
from valerix.payments.repository.rows import PAYMENT

_EVENT = Reader(PaymentEvent)


class PaymentSearchRepository:
    """Lists and histories of payments."""

    async def list_payments(self, tx: Transaction, asked: PaymentFilter) -> list[Payment]:
        """Newest first."""
        where = Where(asked.limit)
        where.add("p.id < ?::uuid", asked.before)
        where.add("p.status = ?", asked.status)
        where.add("p.customer_id = ?", asked.customer_id)
        where.add("p.order_id = ?", asked.order_id)
        where.add("p.method = ?", asked.method)
        where.add("p.id >= ?::uuid", asked.first)
        where.add("p.id < ?::uuid", asked.last)
        if asked.search is not None:
            where.add(
                """(p.customer_id = ? OR (p.id BETWEEN ?::uuid AND ?::uuid AND p.id::text LIKE ?)
                    OR (p.order_id BETWEEN ? AND ? AND p.order_id LIKE ?))""",
                asked.search.strip().upper(),
                *find_range(asked.search) * 2,
            )
        rows = await tx.fetch(
            f"SELECT {PAYMENT.columns} FROM payments p {where.clause} ORDER BY p.id DESC LIMIT $1",
            *where.arguments,
        )
        return [PAYMENT.read(row) for row in rows]

    async def list_events(
        self, tx: Transaction, payment_id: str, *, after: int = 0, limit: int = MAX_LIMIT
    ) -> list[PaymentEvent]:
        """Up to `limit` entries of the history of one payment, oldest first, from beyond version `after`."""
        rows = await tx.fetch(
            """
            SELECT version, type, data->>'status' AS status, occurred_at, trace_id
            FROM payment_events WHERE payment_id = $1 AND version > $2 ORDER BY version LIMIT $3
            """,
            payment_id,
            after,
            limit,
        )
        return [_EVENT.read(row) for row in rows]
