"""All SQL of the orders service: one function, one statement."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from asyncpg import Record

from valerix.chassis.database import Transaction, Where
from valerix.chassis.outbox import Entry
from valerix.contracts.commands import Allocation
from valerix.contracts.ids import find_range
from valerix.orders.domain import Order, OrderLine, Pass

_encode = msgspec.json.Encoder().encode


class Accepting(NamedTuple):
    """A new order with the key it came under."""

    order: Order
    idempotency_key: bytes | None
    fingerprint: bytes
    trace_id: str
    data: str
    """Its representation, as JSON."""


class Finished(NamedTuple):
    """What one pass wrote about one order; `order` is already in its new state."""

    order: Order
    event: str
    data: str
    steps: str
    due_in: timedelta | None
    trace_id: str
    answer_status: int | None
    answer_body: str | None
    """None with a status: the body is this event's data."""


class Known(NamedTuple):
    """An order as it stands, with the first definite answer to whoever placed it, if there was one."""

    order: Order
    fingerprint: bytes | None
    answer_status: int | None
    answer_body: str | None
    idempotency_key: bytes | None


_COLUMNS = """o.id, o.customer_id, o.status, o.version, o.lines, o.payment_method, o.on_shortage, o.shipping_address,
    o.currency, o.total_minor, o.allocations, o.payment_id, o.error_code, o.error_message, o.cancel_reason,
    o.lease_epoch, o.attempts, o.created_at, o.updated_at"""


async def insert_orders(tx: Transaction, accepting: Sequence[Accepting], lease: timedelta) -> set[str]:
    """Insert those whose id and key are new, each with its first event; return the ids inserted.

    Sorted by key, so that two batches holding the same keys cannot wait for each other.
    """
    rows = sorted(accepting, key=lambda a: a.idempotency_key or b"")
    orders = [a.order for a in rows]
    inserted = await tx.fetch(
        """
        WITH input AS (
            SELECT * FROM unnest(
                $1::uuid[], $2::text[], $3::json[], $4::text[], $5::text[], $6::text[], $7::json[], $8::bytea[],
                $9::bytea[], $10::timestamptz[], $11::text[], $12::json[])
            AS t(id, customer_id, lines, product_ids, payment_method, on_shortage, shipping_address, idempotency_key,
                 fingerprint, created_at, trace_id, data)
        ), inserted AS (
            INSERT INTO orders (id, customer_id, status, version, lines, product_ids, payment_method, on_shortage,
                                shipping_address, idempotency_key, fingerprint, due_at, created_at, updated_at)
            SELECT id, customer_id, 'pending', 1, lines, product_ids::text[], payment_method, on_shortage,
                   shipping_address, idempotency_key, fingerprint, now() + $13, created_at, created_at
            FROM input
            ON CONFLICT DO NOTHING
            RETURNING id
        ), logged AS (
            INSERT INTO order_events (order_id, version, type, data, trace_id, occurred_at)
            SELECT id, 1, 'order.created', data, trace_id, created_at FROM input JOIN inserted USING (id)
        )
        SELECT id::text FROM inserted
        """,
        [o.id for o in orders],
        [o.customer_id for o in orders],
        [_lines(o) for o in orders],
        [_text_array(line.product_id for line in o.lines) for o in orders],
        [o.payment_method for o in orders],
        [o.on_shortage for o in orders],
        [_json(o.shipping_address) for o in orders],
        [a.idempotency_key for a in rows],
        [a.fingerprint for a in rows],
        [o.created_at for o in orders],
        [a.trace_id for a in rows],
        [a.data for a in rows],
        lease,
    )
    return {row["id"] for row in inserted}


async def list_known(tx: Transaction, ids: Sequence[str], keys: Sequence[bytes]) -> list[Known]:
    """Orders by id or by idempotency key, with the answer that was given for them."""
    rows = await tx.fetch(
        f"""
        SELECT {_COLUMNS}, o.fingerprint, o.idempotency_key, o.answer_status,
               coalesce(o.answer_body, e.data::text) AS answer_body
        FROM orders o LEFT JOIN order_events e ON e.order_id = o.id AND e.version = o.answer_version
        WHERE o.id = ANY($1::uuid[]) OR o.idempotency_key = ANY($2::bytea[])
        """,  # noqa: S608 - the column list is ours
        ids,
        keys,
    )
    return [
        Known(_order(r), r["fingerprint"], r["answer_status"], r["answer_body"], r["idempotency_key"]) for r in rows
    ]


async def finish_orders(tx: Transaction, finished: Sequence[Finished]) -> set[str]:
    """Move each order to its new version if nobody else has since; return the ids that moved."""
    orders = [f.order for f in finished]
    moved = await tx.fetch(
        """
        WITH input AS (
            SELECT * FROM unnest(
                $1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::json[], $6::text[], $7::bigint[],
                $8::json[], $9::uuid[], $10::text[], $11::text[], $12::interval[], $13::timestamptz[], $14::smallint[],
                $15::text[], $16::text[], $17::json[], $18::json[], $19::text[], $20::integer[], $21::json[])
            AS t(id, version, lease_epoch, status, lines, currency, total_minor, allocations, payment_id, error_code,
                 error_message, due_in, updated_at, answer_status, answer_body, type, data, steps, trace_id, attempts,
                 shipping_address)
        ), moved AS (
            UPDATE orders o
            SET status = i.status, version = i.version, lines = i.lines, currency = i.currency,
                total_minor = i.total_minor, allocations = i.allocations, payment_id = i.payment_id,
                error_code = i.error_code, error_message = i.error_message, due_at = now() + i.due_in,
                updated_at = i.updated_at, attempts = i.attempts, shipping_address = i.shipping_address,
                cancel_reason = CASE WHEN i.status <> 'shipped' THEN o.cancel_reason END,
                answer_status = coalesce(o.answer_status, i.answer_status),
                answer_body = CASE WHEN o.answer_status IS NULL THEN i.answer_body ELSE o.answer_body END,
                answer_version = CASE WHEN o.answer_status IS NULL AND i.answer_status IS NOT NULL
                                 THEN i.version ELSE o.answer_version END
            FROM input i
            WHERE o.id = i.id AND o.version = i.version - 1 AND o.lease_epoch = i.lease_epoch
            RETURNING o.id
        ), logged AS (
            INSERT INTO order_events (order_id, version, type, data, steps, trace_id, occurred_at)
            SELECT i.id, i.version, i.type, i.data, i.steps, i.trace_id, i.updated_at FROM input i JOIN moved USING (id)
        )
        SELECT id::text FROM moved
        """,
        [o.id for o in orders],
        [o.version for o in orders],
        [o.lease_epoch for o in orders],
        [o.status for o in orders],
        [_lines(o) for o in orders],
        [o.currency for o in orders],
        [o.total_minor for o in orders],
        [_json(o.allocations) for o in orders],
        [o.payment_id for o in orders],
        [o.error_code for o in orders],
        [o.error_message for o in orders],
        [f.due_in for f in finished],
        [o.updated_at for o in orders],
        [f.answer_status for f in finished],
        [f.answer_body for f in finished],
        [f.event for f in finished],
        [f.data for f in finished],
        [f.steps for f in finished],
        [f.trace_id for f in finished],
        [o.attempts for o in orders],
        [_json(o.shipping_address) for o in orders],
    )
    return {row["id"] for row in moved}


async def postpone_orders(tx: Transaction, passes: Sequence[Pass]) -> None:
    """Only look at them again later, as each pass decided, if nobody else has taken them over since."""
    await tx.execute(
        """
        UPDATE orders o SET due_at = now() + i.due_in
        FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::interval[]) AS i (id, version, lease_epoch, due_in)
        WHERE o.id = i.id AND o.version = i.version AND o.lease_epoch = i.lease_epoch
        """,
        [p.order.id for p in passes],
        [p.order.version for p in passes],
        [p.order.lease_epoch for p in passes],
        [p.decision and p.decision.due_in for p in passes],
    )


async def claim_due(tx: Transaction, limit: int, lease: timedelta) -> list[Order]:
    """Take over orders that are due: bumping the epoch fences whoever had them before."""
    rows = await tx.fetch(
        f"""
        UPDATE orders o SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $2
        WHERE o.id IN (
            SELECT id FROM orders WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - the column list is ours
        limit,
        lease,
    )
    return [_order(row) for row in rows]


async def claim_one(
    tx: Transaction, order_id: str, version: int, lease: timedelta, cancel_reason: str | None
) -> Order | None:
    """Take over one order that is still at `version`, optionally putting it on its way to cancelled."""
    row = await tx.fetchrow(
        f"""
        UPDATE orders o SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $3,
                            cancel_reason = coalesce(o.cancel_reason, $4)
        WHERE o.id = $1 AND o.version = $2
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - the column list is ours
        order_id,
        version,
        lease,
        cancel_reason,
    )
    return None if row is None else _order(row)


async def find_due_in(tx: Transaction, order_id: str) -> timedelta | None:
    """Time until the order is due; None when it is not waiting for anything."""
    due_in: timedelta | None = await tx.fetchval("SELECT due_at - now() FROM orders WHERE id = $1", order_id)
    return due_in


async def find_order(tx: Transaction, order_id: str, owner_id: str | None) -> Order | None:
    """One order; with `owner_id`, only when it belongs to that customer."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM orders o WHERE o.id = $1 AND ($2::text IS NULL OR o.customer_id = $2)",  # noqa: S608 - ours
        order_id,
        owner_id,
    )
    return None if row is None else _order(row)


async def list_orders(
    tx: Transaction,
    *,
    limit: int,
    ascending: bool,
    after: str | None,
    owner_id: str | None,
    statuses: Sequence[str] | None,
    product_id: str | None,
    search: str | None,
    first: str | None,
    last: str | None,
    trace_id: str | None = None,
) -> list[Order]:
    """Up to `limit` orders, newest first unless `ascending`, beyond `after`, with ids in [first, last)."""
    where = Where(limit)
    where.add("o.id > ?::uuid" if ascending else "o.id < ?::uuid", after)
    where.add("o.customer_id = ?", owner_id)
    where.add("o.status = ANY(?::text[])", statuses)
    where.add("o.product_ids @> ARRAY[?::text]", product_id)
    where.add("o.id >= ?::uuid", first)
    where.add("o.id < ?::uuid", last)
    where.add("EXISTS (SELECT FROM order_events e WHERE e.order_id = o.id AND e.trace_id = ?)", trace_id)
    if search is not None:
        words = [search.strip(), search.strip().upper()]
        where.add(
            """(o.customer_id = ANY(?::text[]) OR o.product_ids && ?::text[]
                OR (o.id BETWEEN ?::uuid AND ?::uuid AND o.id::text LIKE ?))""",
            words,
            words,
            *find_range(search),
        )
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM orders o {where.clause} ORDER BY o.id {'ASC' if ascending else 'DESC'} LIMIT $1",  # noqa: S608 - every value is a parameter
        *where.arguments,
    )
    return [_order(row) for row in rows]


async def list_events(tx: Transaction, order_id: str) -> list[Record]:
    """The history of one order, oldest first."""
    return await tx.fetch(
        """
        SELECT version, type, data, steps, trace_id, occurred_at FROM order_events
        WHERE order_id = $1 ORDER BY version
        """,
        order_id,
    )


async def count_open(tx: Transaction) -> dict[str, int]:
    """Orders by status, completed ones left out: they are most of the table and a counter's business."""
    rows = await tx.fetch("SELECT status, count(*) FROM orders WHERE status <> 'completed' GROUP BY status")
    return {row["status"]: row["count"] for row in rows}


def _order(row: Record) -> Order:
    return Order(
        id=str(row["id"]),
        customer_id=row["customer_id"],
        lines=[OrderLine(*line) for line in row["lines"]],
        payment_method=row["payment_method"],
        on_shortage=row["on_shortage"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        shipping_address=row["shipping_address"],
        status=row["status"],
        version=row["version"],
        currency=row["currency"],
        total_minor=row["total_minor"],
        allocations=None if row["allocations"] is None else [Allocation(*a) for a in row["allocations"]],
        payment_id=None if row["payment_id"] is None else str(row["payment_id"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        cancel_reason=row["cancel_reason"],
        lease_epoch=row["lease_epoch"],
        attempts=row["attempts"],
    )


def _lines(order: Order) -> str:
    """Lines as compact rows: [productId, quantity, name, unitPriceMinor]."""
    rows = [[line.product_id, line.quantity, line.name, line.unit_price_minor] for line in order.lines]
    return _encode(rows).decode()


def _json(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list):
        value = [[a.product_id, a.warehouse_id, a.quantity] for a in value]
    return _encode(value).decode()


def _text_array(values: Any) -> str:
    """A text[] literal: unnest would flatten an array of arrays."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in dict.fromkeys(values))
    return "{" + ",".join(quoted) + "}"


async def upsert_customers(tx: Transaction, seen: Sequence[tuple[str, str, int]]) -> None:
    """Keep what is newer than what is known; sorted, so that two batches cannot wait in a circle."""
    rows = sorted(seen)
    await tx.execute(
        """
        INSERT INTO customers_seen AS c (customer_id, standing, sequence)
        SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])
        ON CONFLICT (customer_id) DO UPDATE
        SET standing = excluded.standing, sequence = excluded.sequence, seen_at = now()
        WHERE c.sequence < excluded.sequence
        """,
        [customer for customer, _, _ in rows],
        [standing for _, standing, _ in rows],
        [sequence for _, _, sequence in rows],
    )


async def list_standings(tx: Transaction, customer_ids: Sequence[str]) -> dict[str, str]:
    """Standing of the customers among these that were told of."""
    rows = await tx.fetch(
        "SELECT customer_id, standing FROM customers_seen WHERE customer_id = ANY($1::text[])", customer_ids
    )
    return {row["customer_id"]: row["standing"] for row in rows}


async def make_backorders_due(tx: Transaction, product_ids: Sequence[str]) -> None:
    """Let the next sweep try those that wait for one of these products."""
    await tx.execute(
        """
        UPDATE orders SET due_at = now()
        WHERE product_ids && $1::text[] AND status = 'pending' AND on_shortage = 'backorder'
          AND error_code = 'insufficient_stock' AND due_at > now()
        """,
        product_ids,
    )


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first outbox rows."""
    rows = await tx.fetch(
        """
        SELECT o.id, e.type, e.order_id::text, e.version, e.occurred_at, e.trace_id, e.data::text
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL unnest(o.subjects, o.versions) WITH ORDINALITY AS r (subject, version, place)
            JOIN order_events e ON e.order_id = r.subject AND e.version = r.version
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [Entry(*row) for row in rows]
