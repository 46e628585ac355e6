"""All SQL of the orders service: one function, one statement."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from asyncpg import Record

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction, Where
from valerix.contracts.ids import find_range
from valerix.contracts.states import OrderStatus, sql
from valerix.orders.domain import CREATED, GOODS_LEFT, UNAIDED, UNCOUNTED, InsufficientStock, Order, OrderLine, Pass
from valerix.orders.rows import COLUMNS, json_of, lines_of, read_order

_IS_UNAIDED = f"(o.cancel_reason IS NULL AND o.status IN ({sql(*UNAIDED)}))"
"""domain.Order.unaided, word for word as the index orders_due has it."""
_OF_PRODUCT = "order_products AS p (product_id, id) JOIN orders o USING (id)"
"""Here and in `orders o`, `id` alone is a column of the index that is walked."""


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


async def insert_orders(tx: Transaction, accepting: Sequence[Accepting], lease: timedelta) -> set[str]:
    """Insert those whose id and key are new, each with its first event; return the ids inserted.

    Sorted by key, so that two batches holding the same keys cannot wait for each other.
    """
    rows = sorted(accepting, key=lambda a: a.idempotency_key or b"")
    orders = [a.order for a in rows]
    inserted = await tx.fetch(
        f"""
        WITH input AS (
            SELECT * FROM unnest(
                $1::uuid[], $2::text[], $3::json[], $4::text[], $5::text[], $6::json[], $7::bytea[], $8::bytea[],
                $9::timestamptz[], $10::text[], $11::json[])
            AS t(id, customer_id, lines, payment_method, on_shortage, shipping_address, idempotency_key, fingerprint,
                 created_at, trace_id, data)
        ), inserted AS (
            INSERT INTO orders (id, customer_id, status, version, lines, payment_method, on_shortage,
                                shipping_address, idempotency_key, fingerprint, due_at, created_at, updated_at)
            SELECT id, customer_id, {sql(OrderStatus.PENDING)}, 1, lines, payment_method, on_shortage, shipping_address,
                   idempotency_key, fingerprint, now() + $12, created_at, created_at
            FROM input
            ON CONFLICT DO NOTHING
            RETURNING id, lines
        ), listed AS (
            INSERT INTO order_products (product_id, order_id)
            SELECT DISTINCT line->>0, id FROM inserted, json_array_elements(lines) AS line
        ), logged AS (
            INSERT INTO order_events (order_id, version, type, data, trace_id, occurred_at)
            SELECT id, 1, '{CREATED}', data, trace_id, created_at FROM input JOIN inserted USING (id)
        )
        SELECT id::text FROM inserted
        """,
        [o.id for o in orders],
        [o.customer_id for o in orders],
        [lines_of(o) for o in orders],
        [o.payment_method for o in orders],
        [o.on_shortage for o in orders],
        [json_of(o.shipping_address) for o in orders],
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
        SELECT {COLUMNS}, o.fingerprint, o.idempotency_key, o.answer_status,
               coalesce(o.answer_body, e.data::text) AS answer_body
        FROM orders o LEFT JOIN order_events e ON e.order_id = o.id AND e.version = o.answer_version
        WHERE o.id = ANY($1::uuid[]) OR o.idempotency_key = ANY($2::bytea[])
        """,
        ids,
        keys,
    )
    return [
        Known(read_order(r), r["fingerprint"], r["answer_status"], r["answer_body"], r["idempotency_key"]) for r in rows
    ]


async def finish_orders(tx: Transaction, finished: Sequence[Finished]) -> set[str]:
    """Move each order to its new version if nobody else has since; return the ids that moved."""
    orders = [f.order for f in finished]
    moved = await tx.fetch(
        f"""
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
                cancel_reason = CASE WHEN i.status NOT IN ({sql(*GOODS_LEFT)}) THEN o.cancel_reason END,
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
        [lines_of(o) for o in orders],
        [o.currency for o in orders],
        [o.total_minor for o in orders],
        [json_of(o.allocations) for o in orders],
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
        [json_of(o.shipping_address) for o in orders],
    )
    return {row["id"] for row in moved}


async def replace_products(tx: Transaction, order: Order, before: Sequence[OrderLine]) -> None:
    """Keep what the order is found by right when its lines were other ones before."""
    await tx.execute(
        """
        WITH gone AS (
            DELETE FROM order_products
            WHERE order_id = $1 AND product_id = ANY($2::text[]) AND product_id <> ALL($3::text[])
        )
        INSERT INTO order_products (product_id, order_id) SELECT unnest($3::text[]), $1 ON CONFLICT DO NOTHING
        """,
        order.id,
        [line.product_id for line in before],
        [line.product_id for line in order.lines],
    )


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


async def lock_due_unaided(tx: Transaction, limit: int) -> list[Order]:
    """Orders that are due and whose next step needs nobody; nobody else takes them before this transaction ends."""
    rows = await tx.fetch(
        f"""
        SELECT {COLUMNS} FROM orders o WHERE {_IS_UNAIDED} IS TRUE AND due_at <= now()
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        """,
        limit,
    )
    return [read_order(row) for row in rows]


async def claim_due(tx: Transaction, limit: int, lease: timedelta) -> list[Order]:
    """Take over the others that are due: bumping the epoch fences whoever had them before."""
    rows = await tx.fetch(
        f"""
        UPDATE orders o SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $2
        WHERE o.id IN (
            SELECT id FROM orders o WHERE {_IS_UNAIDED} IS FALSE AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING {COLUMNS}
        """,
        limit,
        lease,
    )
    return [read_order(row) for row in rows]


async def claim_one(
    tx: Transaction, order_id: str, version: int, lease: timedelta, cancel_reason: str | None
) -> Order | None:
    """Take over one order that is still at `version`, optionally putting it on its way to cancelled."""
    row = await tx.fetchrow(
        f"""
        UPDATE orders o SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $3,
                            cancel_reason = coalesce(o.cancel_reason, $4)
        WHERE o.id = $1 AND o.version = $2
        RETURNING {COLUMNS}
        """,
        order_id,
        version,
        lease,
        cancel_reason,
    )
    return None if row is None else read_order(row)


async def find_due_in(tx: Transaction, order_id: str) -> timedelta | None:
    """Time until the order is due; None when it is not waiting for anything."""
    due_in: timedelta | None = await tx.fetchval("SELECT due_at - now() FROM orders WHERE id = $1", order_id)
    return due_in


async def find_order(tx: Transaction, order_id: str, owner_id: str | None) -> Order | None:
    """One order; with `owner_id`, only when it belongs to that customer."""
    row = await tx.fetchrow(
        f"SELECT {COLUMNS} FROM orders o WHERE o.id = $1 AND ($2::text IS NULL OR o.customer_id = $2)",
        order_id,
        owner_id,
    )
    return None if row is None else read_order(row)


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
    where, page, found = Where(limit), f"ORDER BY id {'ASC' if ascending else 'DESC'} LIMIT $1", list[str]()
    for source, condition, values in _ways(product_id, search):
        where = Where(*where.arguments)
        where.add(condition, *values)
        where.add("id > ?::uuid" if ascending else "id < ?::uuid", after)
        where.add("id >= ?::uuid", first)
        where.add("id < ?::uuid", last)
        where.add("o.customer_id = ?", owner_id)
        where.add("o.status = ANY(?::text[])", statuses)
        where.add("EXISTS (SELECT FROM order_events e WHERE e.order_id = o.id AND e.trace_id = ?)", trace_id)
        if search is not None:
            where.add("EXISTS (SELECT FROM order_products h WHERE h.order_id = o.id AND h.product_id = ?)", product_id)
        found.append(f"(SELECT id FROM {source} {where.clause} {page})")
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM orders o WHERE id IN ({' UNION '.join(found)}) {page}",
        *where.arguments,
    )
    return [read_order(row) for row in rows]


def _ways(product_id: str | None, search: str | None) -> list[tuple[str, str, Sequence[str | None]]]:
    """Where to look, as (source, condition, its values): each walks one index in the order of its page."""
    if search is None:
        return [("orders o", "", [None]) if product_id is None else (_OF_PRODUCT, "p.product_id = ?", [product_id])]
    ids = find_range(search)
    ways: list[tuple[str, str, Sequence[str | None]]] = []
    if ids.first is not None:
        ways.append(("orders o", "id BETWEEN ?::uuid AND ?::uuid AND id::text LIKE ?", ids))
    for word in {search.strip(), search.strip().upper()}:
        ways += [("orders o", "o.customer_id = ?", [word]), (_OF_PRODUCT, "p.product_id = ?", [word])]
    return ways


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
    """Orders by status, those left out whose counting reads most of the table (domain.UNCOUNTED)."""
    rows = await tx.fetch(
        f"SELECT status, count(*) FROM orders WHERE status NOT IN ({sql(*UNCOUNTED)}) GROUP BY status"
    )
    return {row["status"]: row["count"] for row in rows}


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
        f"""
        UPDATE orders o SET due_at = now()
        WHERE status = {sql(OrderStatus.PENDING)} AND on_shortage = 'backorder'
          AND error_code = '{InsufficientStock.code}' AND due_at > now()
          AND EXISTS (SELECT FROM order_products p WHERE p.order_id = o.id AND p.product_id = ANY($1::text[]))
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
