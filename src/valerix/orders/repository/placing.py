"""Statements that accept orders."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from valerix.chassis.postgres.database import Transaction
from valerix.contracts.events import ORDER_CREATED
from valerix.contracts.states import OrderStatus, sql
from valerix.orders.order import Order
from valerix.orders.repository.rows import COLUMNS, json_of, lines_of, read_order


class Accepting(NamedTuple):
    """A new order with the key it came under."""

    order: Order
    idempotency_key: bytes | None
    fingerprint: bytes
    trace_id: str
    data: str
    """Its representation, as JSON."""


class ExistingOrder(NamedTuple):
    """An order as it stands, with the first definite answer to whoever placed it, if there was one."""

    order: Order
    fingerprint: bytes | None
    answer_status: int | None
    answer_body: str | None
    idempotency_key: bytes | None


class PlacingRepository:
    """New orders, and what was answered to a request before."""

    async def insert_orders(self, tx: Transaction, accepting: Sequence[Accepting], lease: timedelta) -> set[str]:
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
            SELECT id, 1, '{ORDER_CREATED}', data, trace_id, created_at FROM input JOIN inserted USING (id)
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

    async def list_existing(self, tx: Transaction, ids: Sequence[str], keys: Sequence[bytes]) -> list[ExistingOrder]:
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
            ExistingOrder(read_order(r), r["fingerprint"], r["answer_status"], r["answer_body"], r["idempotency_key"])
            for r in rows
        ]
