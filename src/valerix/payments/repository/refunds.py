"""Statements of refunds, and of the payments they change."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from valerix.chassis.base.pagination import MAX_LIMIT
from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.commands import RefundGiven
from valerix.contracts.money import Money
from valerix.contracts.states import RefundStatus, sql
from valerix.payments.domain import Payment, Refund
from valerix.payments.repository.rows import PAYMENT, PaymentChange

_SUCCEEDED = sql(RefundStatus.SUCCEEDED)
_REFUND = Reader(Refund, "r", id=str, payment_id=str)


class RefundsRepository:
    """Reads and writes refunds, each beside its locked payment."""

    async def insert_refund(
        self, tx: Transaction, refund: Refund, key: bytes, fingerprint: bytes, lease: timedelta
    ) -> None:
        """Insert a refund that is about to be requested from the provider."""
        await tx.execute(
            """
            INSERT INTO refunds (id, payment_id, amount_minor, reason, status, provider_reference,
                                 created_at, updated_at, idempotency_key, fingerprint, due_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, now() + $10)
            """,
            refund.id,
            refund.payment_id,
            refund.amount_minor,
            refund.reason,
            refund.status,
            refund.provider_reference,
            refund.created_at,
            key,
            fingerprint,
            lease,
        )

    async def find_refund_by_key(
        self, tx: Transaction, payment_id: str, key: bytes
    ) -> tuple[Refund, bytes] | None:
        """Find the refund made under an idempotency key, with the fingerprint of its request."""
        row = await tx.fetchrow(
            f"""
            SELECT {_REFUND.columns}, r.fingerprint FROM refunds r
            WHERE r.payment_id = $1 AND r.idempotency_key = $2
            """,
            payment_id,
            key,
        )
        return None if row is None else (_REFUND.read(row), row["fingerprint"])

    async def list_refunds(
        self, tx: Transaction, payment_id: str, *, after: str | None = None, limit: int = MAX_LIMIT
    ) -> list[Refund]:
        """List up to `limit` refunds of one payment after the id `after`, oldest first."""
        rows = await tx.fetch(
            f"""
            SELECT {_REFUND.columns} FROM refunds r
            WHERE r.payment_id = $1 AND ($2::uuid IS NULL OR r.id > $2) ORDER BY r.id LIMIT $3
            """,
            payment_id,
            after,
            limit,
        )
        return [_REFUND.read(row) for row in rows]

    async def list_pending(self, tx: Transaction, payment_id: str) -> list[Refund]:
        """List the refunds of one payment that the provider has not answered yet."""
        rows = await tx.fetch(
            f"""
            SELECT {_REFUND.columns} FROM refunds r
            WHERE r.payment_id = $1 AND r.status = {sql(RefundStatus.PENDING)}
            """,
            payment_id,
        )
        return [_REFUND.read(row) for row in rows]

    async def get_refund(self, tx: Transaction, refund_id: str) -> Refund:
        """Get a refund that is known to exist."""
        rows = await tx.fetch(f"SELECT {_REFUND.columns} FROM refunds r WHERE r.id = $1", refund_id)
        return _REFUND.read(rows[0])

    async def claim_refund(
        self,
        tx: Transaction,
        refund_id: str,
        status: RefundStatus,
        failure: str | None,
        now: datetime,
    ) -> bool:
        """End a pending refund. False when it has ended already.

        The report of a refund by hand that succeeded is due at once.
        """
        ended = await tx.fetchval(
            f"""
            UPDATE refunds SET status = $2, failure = $3, updated_at = $4,
                               due_at = CASE WHEN $2 = {_SUCCEEDED} AND fingerprint <> ''
                                        THEN now() END
            WHERE id = $1 AND status = {sql(RefundStatus.PENDING)} RETURNING true
            """,
            refund_id,
            status,
            failure,
            now,
        )
        return bool(ended)

    async def claim_due_refunds(
        self, tx: Transaction, limit: int, lease: timedelta
    ) -> list[Refund]:
        """Take over refunds without an outcome in time."""
        rows = await tx.fetch(
            f"""
            UPDATE refunds r SET due_at = now() + $2
            WHERE r.id IN (SELECT id FROM refunds
                           WHERE status = {sql(RefundStatus.PENDING)} AND due_at <= now()
                           ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
            RETURNING {_REFUND.columns}
            """,
            limit,
            lease,
        )
        return [_REFUND.read(row) for row in rows]

    async def claim_unreported_refunds(
        self, tx: Transaction, limit: int, lease: timedelta
    ) -> list[RefundGiven]:
        """Take over refunds by hand that orders has not noted yet."""
        rows = await tx.fetch(
            f"""
            UPDATE refunds r SET due_at = now() + $2 FROM payments p
            WHERE r.id IN (SELECT id FROM refunds WHERE status = {_SUCCEEDED} AND due_at <= now()
                           ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AND p.id = r.payment_id
            RETURNING r.id::text AS refund_id, p.order_id, r.amount_minor, p.currency, r.reason
            """,
            limit,
            lease,
        )
        return [
            RefundGiven(
                row["refund_id"],
                row["order_id"],
                Money(row["amount_minor"], row["currency"]),
                row["reason"],
            )
            for row in rows
        ]

    async def mark_reported(self, tx: Transaction, refund_ids: Sequence[str]) -> None:
        """Record that orders has noted these refunds: nothing is left to be done for them."""
        await tx.execute("UPDATE refunds SET due_at = NULL WHERE id = ANY($1::uuid[])", refund_ids)

    async def lock_payment(self, tx: Transaction, payment_id: str) -> Payment | None:
        """Lock one payment: no other transaction can change it until this one ends."""
        row = await tx.fetchrow(
            f"SELECT {PAYMENT.columns} FROM payments p WHERE p.id = $1 FOR UPDATE",
            payment_id,
        )
        return None if row is None else PAYMENT.read(row)

    async def update_payment(self, tx: Transaction, payment: Payment) -> None:
        """Write a payment that this transaction has locked."""
        await tx.execute(
            """
            UPDATE payments
            SET status = $2, refunding_minor = $3, refunded_minor = $4,
                version = $5, updated_at = $6
            WHERE id = $1
            """,
            payment.id,
            payment.status,
            payment.refunding_minor,
            payment.refunded_minor,
            payment.version,
            payment.updated_at,
        )

    async def insert_event(self, tx: Transaction, event: PaymentChange) -> None:
        """Emit the state that this transaction gives a payment."""
        await tx.execute(
            """
            INSERT INTO payment_events (payment_id, version, type, data, trace_id, occurred_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            """,
            event.payment.id,
            event.payment.version,
            event.type,
            event.data,
            event.trace_id,
            event.payment.updated_at,
        )
