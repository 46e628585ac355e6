"""Statements that take orders over and finish what was decided about them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from valerix.chassis.postgres.database import Transaction
from valerix.contracts.states import OrderStatus, sql
from valerix.orders.decisions import SagaRun
from valerix.orders.errors import InsufficientStock
from valerix.orders.order import Order
from valerix.orders.repository.rows import COLUMNS, json_of, lines_of, read_order
from valerix.orders.transitions import GOODS_LEFT, LOCAL_STEPS

_IS_LOCAL = f"(o.cancel_reason IS NULL AND o.status IN ({sql(*LOCAL_STEPS)}))"
"""Order.local_step, word for word as the index orders_due has it."""

_IS_HELD = f"""(o.status = {sql(OrderStatus.PENDING)} AND o.on_shortage = 'hold'
                AND o.error_code IS NOT DISTINCT FROM '{InsufficientStock.code}')"""
HOLD_OVER = "The time to hold the order for stock is over"


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


class DrivingRepository:
    """Orders as they go from hand to hand: each statement compares version and lease epoch."""

    async def finish_orders(self, tx: Transaction, finished: Sequence[Finished]) -> set[str]:
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

    async def postpone_orders(self, tx: Transaction, runs: Sequence[SagaRun]) -> None:
        """Only look at them again later, as each pass decided, if nobody else has taken them over since."""
        await tx.execute(
            """
        UPDATE orders o SET due_at = now() + i.due_in
        FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::interval[]) AS i (id, version, lease_epoch, due_in)
        WHERE o.id = i.id AND o.version = i.version AND o.lease_epoch = i.lease_epoch
            """,
            [run.order.id for run in runs],
            [run.order.version for run in runs],
            [run.order.lease_epoch for run in runs],
            [run.decision and run.decision.due_in for run in runs],
        )

    async def lock_due_local(self, tx: Transaction, limit: int) -> list[Order]:
        """Orders that are due and whose next step needs nobody; nobody else takes them before this transaction ends."""
        rows = await tx.fetch(
            f"""
        SELECT {COLUMNS} FROM orders o WHERE {_IS_LOCAL} IS TRUE AND due_at <= now()
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
            """,
            limit,
        )
        return [read_order(row) for row in rows]

    async def claim_due(self, tx: Transaction, limit: int, lease: timedelta) -> list[Order]:
        """Take over the others that are due: bumping the epoch fences whoever had them before.

        Those whose time to be held is over are on their way to cancelled from then on, whatever happens on it.
        """
        rows = await tx.fetch(
            f"""
        UPDATE orders o SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $2,
                            cancel_reason = CASE WHEN {_IS_HELD} THEN coalesce(o.cancel_reason, $3)
                                                 ELSE o.cancel_reason END
        WHERE o.id IN (
            SELECT id FROM orders o WHERE {_IS_LOCAL} IS FALSE AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING {COLUMNS}
            """,
            limit,
            lease,
            HOLD_OVER,
        )
        return [read_order(row) for row in rows]

    async def claim_one(
        self, tx: Transaction, order_id: str, version: int, lease: timedelta, cancel_reason: str | None
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
