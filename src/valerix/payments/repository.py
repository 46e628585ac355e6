"""All SQL of the payments service: one function, one statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction, Where
from valerix.chassis.postgres.rows import Reader, Rows
from valerix.contracts.ids import find_range
from valerix.contracts.states import PaymentStatus, RefundStatus, sql
from valerix.payments.domain import Payment, PaymentEvent, PaymentFilter, Refund


class Event(NamedTuple):
    """A payment in its new state, and what tells of it."""

    payment: Payment
    type: str
    data: str
    """The payment's representation, as JSON."""
    trace_id: str


_PAYMENT = Reader(Payment, "p", id=str)
_REFUND = Reader(Refund, "r", id=str, payment_id=str)
_EVENT = Reader(PaymentEvent)
_ENTRY = Reader(Entry)
_OPENED = Rows(
    Payment,
    """id uuid, order_id text, customer_id text, amount_minor bigint, currency text, method text,
       provider_reference text, created_at timestamptz""",
    first=2,
)
_TOMBSTONES = Rows(
    Event,
    """payment.id uuid, payment.order_id text, payment.reason text, payment.provider_reference text,
       payment.created_at timestamptz, type text, data json, trace_id text""",
)
_SETTLED = Rows(
    Event,
    """payment.id uuid, payment.version integer, payment.status text, payment.reason text,
       payment.captured_minor bigint, payment.updated_at timestamptz, type text, data json, trace_id text""",
)


async def insert_payments(tx: Transaction, payments: Sequence[Payment], lease: timedelta) -> set[str]:
    """Insert those whose order has no payment yet; return their ids.

    Sorted by order, so that two batches holding the same orders cannot wait for each other.
    """
    rows = sorted(payments, key=lambda p: p.order_id)
    inserted = await tx.fetch(
        f"""
        INSERT INTO payments ({_OPENED.names}, updated_at, status, due_at)
        SELECT t.*, t.created_at, {sql(PaymentStatus.PROCESSING)}, now() + $1 FROM {_OPENED.unnest}
        ON CONFLICT (order_id) DO NOTHING
        RETURNING id::text
        """,
        lease,
        *_OPENED.arrays(rows),
    )
    return {row[0] for row in inserted}


async def insert_tombstones(tx: Transaction, events: Sequence[Event]) -> set[str]:
    """Insert voided payments for the orders that have none, each with its event; return their ids."""
    rows = sorted(events, key=lambda e: e.payment.order_id)
    inserted = await tx.fetch(
        f"""
        WITH input AS (
            SELECT * FROM {_TOMBSTONES.unnest}
        ), inserted AS (
            INSERT INTO payments (id, order_id, reason, provider_reference, created_at, updated_at, status, version)
            SELECT id, order_id, reason, provider_reference, created_at, created_at, {sql(PaymentStatus.VOIDED)}, 1
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


async def settle_payments(tx: Transaction, events: Sequence[Event]) -> set[str]:
    """Move each payment to its new state if nobody else has moved it since, and tell; return the ids that moved."""
    moved = await tx.fetch(
        f"""
        WITH input AS (
            SELECT * FROM {_SETTLED.unnest}
        ), moved AS (
            UPDATE payments p
            SET status = i.status, version = i.version, reason = i.reason, captured_minor = i.captured_minor,
                updated_at = i.updated_at, due_at = NULL
            FROM input i
            WHERE p.id = i.id AND p.version = i.version - 1
            RETURNING p.id
        ), told AS (
            INSERT INTO payment_events (payment_id, version, type, data, trace_id, occurred_at)
            SELECT id, version, type, data, trace_id, updated_at FROM input JOIN moved USING (id)
        )
        SELECT id::text FROM moved
        """,
        *_SETTLED.arrays(events),
    )
    return {row[0] for row in moved}


async def claim_due_payments(tx: Transaction, limit: int, lease: timedelta) -> list[Payment]:
    """Take over payments whose outcome nobody has found out in time."""
    rows = await tx.fetch(
        f"""
        UPDATE payments p SET due_at = now() + $2
        WHERE p.id IN (SELECT id FROM payments WHERE status = {sql(PaymentStatus.PROCESSING)} AND due_at <= now()
                       LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING {_PAYMENT.columns}
        """,
        limit,
        lease,
    )
    return [_PAYMENT.read(row) for row in rows]


async def list_by_orders(tx: Transaction, order_ids: Sequence[str]) -> list[Payment]:
    """The payments of these orders, as far as there are any."""
    rows = await tx.fetch(
        f"SELECT {_PAYMENT.columns} FROM payments p WHERE p.order_id = ANY($1::text[])",
        order_ids,
    )
    return [_PAYMENT.read(row) for row in rows]


async def find_payment(tx: Transaction, payment_id: str, owner_id: str | None) -> Payment | None:
    """One payment; with `owner_id`, only when it is that customer's."""
    row = await tx.fetchrow(
        f"SELECT {_PAYMENT.columns} FROM payments p WHERE p.id = $1 AND ($2::text IS NULL OR p.customer_id = $2)",
        payment_id,
        owner_id,
    )
    return None if row is None else _PAYMENT.read(row)


async def lock_payment(tx: Transaction, payment_id: str) -> Payment | None:
    """One payment, which nobody else can change until the transaction ends."""
    row = await tx.fetchrow(
        f"SELECT {_PAYMENT.columns} FROM payments p WHERE p.id = $1 FOR UPDATE",
        payment_id,
    )
    return None if row is None else _PAYMENT.read(row)


async def list_payments(tx: Transaction, asked: PaymentFilter) -> list[Payment]:
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
        f"SELECT {_PAYMENT.columns} FROM payments p {where.clause} ORDER BY p.id DESC LIMIT $1",
        *where.arguments,
    )
    return [_PAYMENT.read(row) for row in rows]


async def update_payment(tx: Transaction, payment: Payment) -> None:
    """Write a payment that this transaction has locked."""
    await tx.execute(
        """
        UPDATE payments SET status = $2, refunding_minor = $3, refunded_minor = $4, version = $5, updated_at = $6
        WHERE id = $1
        """,
        payment.id,
        payment.status,
        payment.refunding_minor,
        payment.refunded_minor,
        payment.version,
        payment.updated_at,
    )


async def insert_event(tx: Transaction, event: Event) -> None:
    """Tell of the state this transaction gives a payment."""
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


async def list_events(tx: Transaction, payment_id: str) -> list[PaymentEvent]:
    """The history of one payment, oldest first."""
    rows = await tx.fetch(
        """
        SELECT version, type, data->>'status' AS status, occurred_at, trace_id
        FROM payment_events WHERE payment_id = $1 ORDER BY version
        """,
        payment_id,
    )
    return [_EVENT.read(row) for row in rows]


# --- refunds


async def insert_refund(tx: Transaction, refund: Refund, key: bytes, fingerprint: bytes, lease: timedelta) -> None:
    """A refund the provider is about to be asked for."""
    await tx.execute(
        """
        INSERT INTO refunds (id, payment_id, amount_minor, reason, status, provider_reference, created_at, updated_at,
                             idempotency_key, fingerprint, due_at)
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


async def find_refund_by_key(tx: Transaction, payment_id: str, key: bytes) -> tuple[Refund, bytes] | None:
    """The refund made under an idempotency key, with the fingerprint of its request."""
    row = await tx.fetchrow(
        f"SELECT {_REFUND.columns}, r.fingerprint FROM refunds r WHERE r.payment_id = $1 AND r.idempotency_key = $2",
        payment_id,
        key,
    )
    return None if row is None else (_REFUND.read(row), row["fingerprint"])


async def list_refunds(tx: Transaction, payment_id: str) -> list[Refund]:
    """The refunds of one payment, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_REFUND.columns} FROM refunds r WHERE r.payment_id = $1 ORDER BY r.id",
        payment_id,
    )
    return [_REFUND.read(row) for row in rows]


async def claim_refund(
    tx: Transaction, refund_id: str, status: RefundStatus, failure: str | None, now: datetime
) -> bool:
    """End a pending refund; False when somebody else has ended it."""
    ended = await tx.fetchval(
        f"""
        UPDATE refunds SET status = $2, failure = $3, updated_at = $4, due_at = NULL
        WHERE id = $1 AND status = {sql(RefundStatus.PENDING)} RETURNING true
        """,
        refund_id,
        status,
        failure,
        now,
    )
    return bool(ended)


async def get_refund(tx: Transaction, refund_id: str) -> Refund:
    """A refund that is known to exist."""
    rows = await tx.fetch(f"SELECT {_REFUND.columns} FROM refunds r WHERE r.id = $1", refund_id)
    return _REFUND.read(rows[0])


async def claim_due_refunds(tx: Transaction, limit: int, lease: timedelta) -> list[Refund]:
    """Take over refunds whose outcome nobody has found out in time."""
    rows = await tx.fetch(
        f"""
        UPDATE refunds r SET due_at = now() + $2
        WHERE r.id IN (SELECT id FROM refunds WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING {_REFUND.columns}
        """,
        limit,
        lease,
    )
    return [_REFUND.read(row) for row in rows]


# --- the outbox


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first outbox rows."""
    rows = await tx.fetch(
        """
        SELECT o.id AS row_id, e.type AS name, e.payment_id::text AS subject, e.version AS sequence,
               e.occurred_at AS time, e.trace_id, e.data::text AS data
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL unnest(o.subjects, o.versions) WITH ORDINALITY AS r (subject, version, place)
            JOIN payment_events e ON e.payment_id = r.subject AND e.version = r.version
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [_ENTRY.read(row) for row in rows]
