"""Statements that take orders over and write the decisions about them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Rows
from valerix.contracts.states import OrderStatus, sql
from valerix.orders.decisions import SagaRun
from valerix.orders.errors import InsufficientStock
from valerix.orders.order import HOLD, Order
from valerix.orders.repository.rows import ORDER, json_of, lines_of
from valerix.orders.transitions import GOODS_LEFT, LOCAL_STEPS

_IS_LOCAL = f"(o.cancel_reason IS NULL AND o.status IN ({sql(*LOCAL_STEPS)}))"
"""Order.local_step in SQL, word for word as in the index orders_due."""

_IS_HELD = f"""(o.status = {sql(OrderStatus.PENDING)}
                AND o.error_code IS NOT DISTINCT FROM '{InsufficientStock.code}')"""
_HELD_UNTIL = f"coalesce(o.held_until, CASE WHEN o.on_shortage = '{HOLD}' THEN o.due_at END)"
_HOLD_IS_OVER = f"({_IS_HELD} AND {_HELD_UNTIL} <= now())"
HOLD_OVER = "The time to hold the order for stock is over"


class Finished(NamedTuple):
    """The record of one run about one order; `order` is already in its new state."""

    order: Order
    event: str
    data: str
    steps: str
    due_in: timedelta | None
    trace_id: str
    answer_status: int | None
    answer_body: str | None
    """None with a status: the body is the data of this event."""


class _FinishedRow(NamedTuple):
    finished: Finished
    lines: str
    allocations: str | None
    shipping_address: str | None


class _PostponedRow(NamedTuple):
    order: Order
    due_in: timedelta | None
    held_until: datetime | None


_FINISHED = Rows(
    _FinishedRow,
    """finished.order.id uuid, finished.order.version integer, finished.order.lease_epoch integer,
       finished.order.status text, lines json, finished.order.currency text,
       finished.order.total_minor bigint, allocations json, finished.order.payment_id uuid,
       finished.order.error_code text, finished.order.error_message text,
       finished.due_in interval, finished.order.updated_at timestamptz,
       finished.answer_status smallint, finished.answer_body text,
       finished.event text, finished.data json, finished.steps json, finished.trace_id text,
       finished.order.attempts integer, shipping_address json,
       finished.order.held_until timestamptz""",
)
_POSTPONED = Rows(
    _PostponedRow,
    """order.id uuid, order.version integer, order.lease_epoch integer,
       due_in interval, held_until timestamptz""",
    alias="i",
)
_OVERTAKEN = Rows(Order, "id uuid, version integer, lease_epoch integer", alias="i")


class DrivingRepository:
    """Takes orders over and writes decisions.

    Each statement that writes a decision compares version and lease epoch.
    """

    async def finish_orders(self, tx: Transaction, finished: Sequence[Finished]) -> set[str]:
        """Move each order to its new version if it was not taken over since.

        Returns the ids that moved.
        """
        rows = [
            _FinishedRow(
                f,
                lines_of(f.order),
                json_of(f.order.allocations),
                json_of(f.order.shipping_address),
            )
            for f in finished
        ]
        moved = await tx.fetch(
            f"""
            WITH input AS (
                SELECT * FROM {_FINISHED.unnest}
            ), moved AS (
                UPDATE orders o
                SET status = i.status, version = i.version, lines = i.lines, currency = i.currency,
                    total_minor = i.total_minor, allocations = i.allocations,
                    payment_id = i.payment_id,
                    error_code = i.error_code, error_message = i.error_message,
                    due_at = now() + i.due_in, held_until = i.held_until,
                    updated_at = i.updated_at, attempts = i.attempts,
                    shipping_address = i.shipping_address,
                    cancel_reason = CASE WHEN i.status NOT IN ({sql(*GOODS_LEFT)})
                                    THEN o.cancel_reason END,
                    answer_status = coalesce(o.answer_status, i.answer_status),
                    answer_body = CASE WHEN o.answer_status IS NULL
                                  THEN i.answer_body ELSE o.answer_body END,
                    answer_version = CASE WHEN o.answer_status IS NULL
                                           AND i.answer_status IS NOT NULL
                                     THEN i.version ELSE o.answer_version END
                FROM input i
                WHERE o.id = i.id AND o.version = i.version - 1 AND o.lease_epoch = i.lease_epoch
                RETURNING o.id
            ), logged AS (
                INSERT INTO order_events
                    (order_id, version, type, data, steps, trace_id, occurred_at)
                SELECT i.id, i.version, i.event, i.data, i.steps, i.trace_id, i.updated_at
                FROM input i JOIN moved USING (id)
            )
            SELECT id::text FROM moved
            """,
            *_FINISHED.arrays(rows),
        )
        return {row["id"] for row in moved}

    async def postpone_orders(self, tx: Transaction, runs: Sequence[SagaRun]) -> None:
        """Write only the next due time of these orders, as each run decided.

        An order that was taken over since is left alone.
        """
        rows = [
            _PostponedRow(run.order, d.due_in, d.held_until) for run in runs if (d := run.decision)
        ]
        await tx.execute(
            f"""
            UPDATE orders o
            SET due_at = now() + i.due_in, held_until = coalesce(o.held_until, i.held_until)
            FROM {_POSTPONED.unnest}
            WHERE o.id = i.id AND o.version = i.version AND o.lease_epoch = i.lease_epoch
            """,
            *_POSTPONED.arrays(rows),
        )

    async def put_off(self, tx: Transaction, ids: Sequence[str], pause: timedelta) -> None:
        """Make these locked orders due again after a pause, whatever their state."""
        await tx.execute(
            "UPDATE orders SET due_at = now() + $2 WHERE id = ANY($1::uuid[])", ids, pause
        )

    async def hand_back(self, tx: Transaction, overtaken: Sequence[Order]) -> None:
        """Make orders due at once that changed during a run that still holds their lease.

        Otherwise they are due only when that lease is over.
        """
        await tx.execute(
            f"""
            UPDATE orders o SET due_at = now() FROM {_OVERTAKEN.unnest}
            WHERE o.id = i.id AND o.version >= i.version AND o.lease_epoch = i.lease_epoch
              AND o.due_at > now()
            """,
            *_OVERTAKEN.arrays(overtaken),
        )

    async def lock_due_local(self, tx: Transaction, limit: int) -> list[Order]:
        """Lock due orders with a local next step.

        No other process takes them before this transaction ends.
        """
        rows = await tx.fetch(
            f"""
            SELECT {ORDER.columns} FROM orders o WHERE {_IS_LOCAL} IS TRUE AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
            """,
            limit,
        )
        return [ORDER.read(row) for row in rows]

    async def claim_due(self, tx: Transaction, limit: int, lease: timedelta) -> list[Order]:
        """Take over the other due orders; the new lease epoch fences the previous holder.

        Orders with an expired hold are on their way to cancelled from then on, whatever happens
        next.
        """
        rows = await tx.fetch(
            f"""
            UPDATE orders o
            SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $2,
                cancel_reason = CASE WHEN {_HOLD_IS_OVER} THEN coalesce(o.cancel_reason, $3)
                                ELSE o.cancel_reason END
            WHERE o.id IN (
                SELECT id FROM orders o WHERE {_IS_LOCAL} IS FALSE AND due_at <= now()
                ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
            RETURNING {ORDER.columns}
            """,
            limit,
            lease,
            HOLD_OVER,
        )
        return [ORDER.read(row) for row in rows]

    async def claim_one(
        self,
        tx: Transaction,
        order_id: str,
        version: int,
        lease: timedelta,
        cancel_reason: str | None,
    ) -> Order | None:
        """Take over one order that is still at `version`.

        With `cancel_reason` the order is on its way to cancelled.
        """
        row = await tx.fetchrow(
            f"""
            UPDATE orders o
            SET lease_epoch = o.lease_epoch + 1, attempts = o.attempts + 1, due_at = now() + $3,
                cancel_reason = coalesce(o.cancel_reason, $4)
            WHERE o.id = $1 AND o.version = $2
            RETURNING {ORDER.columns}
            """,
            order_id,
            version,
            lease,
            cancel_reason,
        )
        return None if row is None else ORDER.read(row)
