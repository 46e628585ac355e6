"""Statements of captures and voids."""

from collections.abc import Sequence
from datetime import timedelta

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Rows
from valerix.contracts.states import PaymentStatus, sql
from valerix.payments.domain import Payment
from valerix.payments.repository.rows import PAYMENT, PaymentChange

_OPENED = Rows(
    Payment,
    """id uuid, order_id text, customer_id text, amount_minor bigint, currency text, method text,
       provider_reference text, created_at timestamptz""",
    first=2,
)
_TOMBSTONES = Rows(
    PaymentChange,
    """payment.id uuid, payment.order_id text, payment.reason text, payment.provider_reference text,
       payment.created_at timestamptz, type text, data json, trace_id text""",
)
_SETTLED = Rows(
    PaymentChange,
    """payment.id uuid, payment.version integer, payment.status text, payment.reason text,
       payment.captured_minor bigint, payment.updated_at timestamptz,
       type text, data json, trace_id text""",
)


class PaymentsRepository:
    """Reads and writes the one payment of each order."""

    async def insert_payments(
        self, tx: Transaction, payments: Sequence[Payment], lease: timedelta
    ) -> set[str]:
        """Insert the payments of orders without one; return their ids.

        Sorted by order, so that two batches holding the same orders cannot wait for each other.
        """
        rows = sorted(payments, key=lambda p: p.order_id)
        inserted = await tx.fetch(
            f"""
            INSERT INTO payments ({_OPENED.names}, updated_at, status, due_at)
            SELECT t.*, t.created_at, {sql(PaymentStatus.PROCESSING)}, now() + $1
            FROM {_OPENED.unnest}
            ON CONFLICT (order_id) DO NOTHING
            RETURNING id::text
            """,
            lease,
            *_OPENED.arrays(rows),
        )
        return {row[0] for row in inserted}

    async def insert_tombstones(self, tx: Transaction, events: Sequence[PaymentChange]) -> set[str]:
        """Insert voided payments, with their events, for orders without one; return their ids."""
        rows = sorted(events, key=lambda e: e.payment.order_id)
        inserted = await tx.fetch(
            f"""
            WITH input AS (
                SELECT * FROM {_TOMBSTONES.unnest}
            ), inserted AS (
                INSERT INTO payments (id, order_id, reason, provider_reference,
                                      created_at, updated_at, status, version)
                SELECT id, order_id, reason, provider_reference,
                       created_at, created_at, {sql(PaymentStatus.VOIDED)}, 1
                FROM input
                ON CONFLICT (order_id) DO NOTHING
                RETURNING id
            ), told AS (
                INSERT INTO payment_events (payment_id, version, type, data, trace_id, occurred_at)
                SELECT id, 1, type, data, trace_id, created_at FROM input JOIN inserted USING (id)
            )
            SELECT id::text FROM inserted
            """,
            *_TOMBSTONES.arrays(rows),
        )
        return {row[0] for row in inserted}

    async def settle_payments(self, tx: Transaction, events: Sequence[PaymentChange]) -> set[str]:
        """Move each payment to its new state unless it has moved meanwhile, and emit its event.

        Returns the ids of the moved payments.
        """
        moved = await tx.fetch(
            f"""
            WITH input AS (
                SELECT * FROM {_SETTLED.unnest}
            ), moved AS (
                UPDATE payments p
                SET status = i.status, version = i.version, reason = i.reason,
                    captured_minor = i.captured_minor, updated_at = i.updated_at, due_at = NULL
                FROM input i
                WHERE p.id = i.id AND p.version = i.version - 1
                RETURNING p.id
            ), told AS (
                INSERT INTO payment_events (payment_id, version, type, data, trace_id, occurred_at)
                SELECT id, version, type, data, trace_id, updated_at
                FROM input JOIN moved USING (id)
            )
            SELECT id::text FROM moved
            """,
            *_SETTLED.arrays(events),
        )
        return {row[0] for row in moved}

    async def claim_due_payments(
        self, tx: Transaction, limit: int, lease: timedelta
    ) -> list[Payment]:
        """Take over payments without an outcome in time."""
        rows = await tx.fetch(
            f"""
            UPDATE payments p SET due_at = now() + $2
            WHERE p.id IN (SELECT id FROM payments
                           WHERE status = {sql(PaymentStatus.PROCESSING)} AND due_at <= now()
                           LIMIT $1 FOR UPDATE SKIP LOCKED)
            RETURNING {PAYMENT.columns}
            """,
            limit,
            lease,
        )
        return [PAYMENT.read(row) for row in rows]

    async def list_by_orders(self, tx: Transaction, order_ids: Sequence[str]) -> list[Payment]:
        """The payments of the orders that have one."""
        rows = await tx.fetch(
            f"SELECT {PAYMENT.columns} FROM payments p WHERE p.order_id = ANY($1::text[])",
            order_ids,
        )
        return [PAYMENT.read(row) for row in rows]

    async def find_payment(
        self, tx: Transaction, payment_id: str, owner_id: str | None
    ) -> Payment | None:
        """Find one payment; with `owner_id`, only a payment of that customer."""
        row = await tx.fetchrow(
            f"""
            SELECT {PAYMENT.columns} FROM payments p
            WHERE p.id = $1 AND ($2::text IS NULL OR p.customer_id = $2)
            """,
            payment_id,
            owner_id,
        )
        return None if row is None else PAYMENT.read(row)
