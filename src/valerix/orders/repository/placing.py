"""Statements that accept orders."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Rows
from valerix.contracts.events import ORDER_CREATED
from valerix.contracts.states import OrderStatus, sql
from valerix.orders.bounds import Bound, Bounds
from valerix.orders.order import Order
from valerix.orders.repository.bounds import DECLINES_WITHIN
from valerix.orders.repository.rows import ORDER, json_of, lines_of

NO_BOUNDS: Final = Bounds(0, 0, 0)


class Accepting(NamedTuple):
    """A new order with the idempotency key of its request."""

    order: Order
    idempotency_key: bytes | None
    fingerprint: bytes
    trace_id: str
    data: str
    """The API representation of the order, as JSON."""
    bounded: bool = False
    """Whether the bounds of its customer hold for the order."""


class Inserted(NamedTuple):
    """Ids of inserted orders, and orders beyond a bound of their customer.

    `beyond` names the bound by order id, whether the order is new or known.
    """

    ids: set[str]
    beyond: dict[str, Bound]


class ExistingOrder(NamedTuple):
    """An order as it is stored, with the first definite answer to its request, if any."""

    order: Order
    fingerprint: bytes | None
    answer_status: int | None
    answer_body: str | None
    idempotency_key: bytes | None


class _NewRow(NamedTuple):
    accepting: Accepting
    lines: str
    shipping_address: str | None
    expected_total: str | None


_NEW = Rows(
    _NewRow,
    """accepting.order.id uuid, accepting.order.customer_id text, lines json,
       accepting.order.payment_method text, accepting.order.on_shortage text,
       shipping_address json, accepting.idempotency_key bytea,
       accepting.fingerprint bytea, accepting.order.created_at timestamptz, accepting.trace_id text,
       accepting.data json, expected_total json, accepting.bounded boolean""",
    first=5,
)


class PlacingRepository:
    """Inserts new orders, and finds earlier orders with their answers."""

    async def insert_orders(
        self,
        tx: Transaction,
        accepting: Sequence[Accepting],
        lease: timedelta,
        bounds: Bounds = NO_BOUNDS,
    ) -> Inserted:
        """Insert orders with a new id and key and a customer within bounds.

        Each is inserted with its first event. Sorted by key, so that two batches holding the same
        keys cannot wait for each other.
        """
        rows = [
            _NewRow(
                a,
                lines_of(a.order),
                json_of(a.order.shipping_address),
                json_of(a.order.expected_total),
            )
            for a in sorted(accepting, key=lambda a: a.idempotency_key or b"")
        ]
        inserted = await tx.fetch(
            f"""
            WITH input AS (
                SELECT * FROM {_NEW.unnest}
            ), beyond AS MATERIALIZED (
                SELECT customer_id,
                       CASE WHEN $2 > 0 AND count(*) FILTER (WHERE bound = '{Bound.WAITING}') >= $2
                            THEN '{Bound.WAITING}'
                            WHEN $3 > 0 AND sum(units) FILTER (WHERE bound = '{Bound.UNPAID}') >= $3
                            THEN '{Bound.UNPAID}'
                            WHEN $4 > 0 AND count(*) FILTER (
                                WHERE bound = '{Bound.DECLINED}'
                                  AND since > now() - {DECLINES_WITHIN}) >= $4
                            THEN '{Bound.DECLINED}'
                       END AS bound
                FROM bounded_orders
                WHERE customer_id = ANY(ARRAY(SELECT customer_id FROM input WHERE bounded))
                GROUP BY customer_id
            ), refused AS MATERIALIZED (
                SELECT id, bound FROM input JOIN beyond USING (customer_id)
                WHERE bounded AND bound IS NOT NULL
            ), inserted AS (
                INSERT INTO orders (id, customer_id, status, version,
                                    lines, payment_method, on_shortage, shipping_address,
                                    expected_total, idempotency_key, fingerprint, due_at,
                                    created_at, updated_at)
                SELECT id, customer_id, {sql(OrderStatus.PENDING)}, 1,
                       lines, payment_method, on_shortage, shipping_address,
                       expected_total, idempotency_key, fingerprint, now() + $1,
                       created_at, created_at
                FROM input WHERE id NOT IN (SELECT id FROM refused)
                ON CONFLICT DO NOTHING
                RETURNING id, lines
            ), listed AS (
                INSERT INTO order_products (product_id, order_id)
                SELECT DISTINCT line->>0, id FROM inserted, json_array_elements(lines) AS line
            ), logged AS (
                INSERT INTO order_events (order_id, version, type, data, trace_id, occurred_at)
                SELECT id, 1, '{ORDER_CREATED}', data, trace_id, created_at
                FROM input JOIN inserted USING (id)
            )
            SELECT id::text, NULL AS bound FROM inserted
            UNION ALL SELECT id::text, bound FROM refused
            """,
            lease,
            *bounds,
            *_NEW.arrays(rows),
        )
        return Inserted(
            {row["id"] for row in inserted if row["bound"] is None},
            {row["id"]: Bound(row["bound"]) for row in inserted if row["bound"] is not None},
        )

    async def list_existing(
        self, tx: Transaction, ids: Sequence[str], keys: Sequence[bytes]
    ) -> list[ExistingOrder]:
        """List orders by id or by idempotency key, with the answers to their requests."""
        rows = await tx.fetch(
            f"""
            SELECT {ORDER.columns}, o.fingerprint, o.idempotency_key, o.answer_status,
                   coalesce(o.answer_body, e.data::text) AS answer_body
            FROM orders o
            LEFT JOIN order_events e ON e.order_id = o.id AND e.version = o.answer_version
            WHERE o.id = ANY($1::uuid[]) OR o.idempotency_key = ANY($2::bytea[])
            """,
            ids,
            keys,
        )
        return [
            ExistingOrder(
                ORDER.read(r),
                r["fingerprint"],
                r["answer_status"],
                r["answer_body"],
                r["idempotency_key"],
            )
            for r in rows
        ]
