"""Statements that only read payments and their histories."""

from collections.abc import Sequence

from valerix.chassis.base.pagination import MAX_LIMIT
from valerix.chassis.postgres.database import Transaction, Where
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.ids import end_sql, find_ids
from valerix.contracts.states import PaymentStatus, sql
from valerix.payments.domain import Payment, PaymentEvent, PaymentFilter
from valerix.payments.repository.rows import PAYMENT

_EVENT = Reader(PaymentEvent)
_FIRST_EVENTS = "payment_events e JOIN payments p ON p.id = e.payment_id"
_ENDS = f"e.version = 1 AND {end_sql('e.payment_id')} = ? AND e.payment_id::text LIKE ?"
_ENDS_WITHOUT_EVENT = f"p.status = {sql(PaymentStatus.PROCESSING)} AND p.id::text LIKE ?"


class PaymentSearchRepository:
    """Reads lists and histories of payments."""

    async def list_payments(self, tx: Transaction, wanted: PaymentFilter) -> list[Payment]:
        """List payments, newest first."""
        where, page, found = Where(wanted.limit), "ORDER BY p.id DESC LIMIT $1", list[str]()
        for source, condition, values in _sources(wanted):
            where = Where(*where.arguments)
            where.add(condition, *values)
            where.add("p.id < ?::uuid", wanted.before)
            where.add("p.status = ?", wanted.status)
            where.add("p.customer_id = ?", wanted.customer_id)
            where.add("p.order_id = ?", wanted.order_id)
            where.add("p.method = ?", wanted.method)
            where.add("p.id >= ?::uuid", wanted.first)
            where.add("p.id < ?::uuid", wanted.last)
            found.append(f"(SELECT p.id FROM {source} {where.clause} {page})")
        ids = " UNION ".join(found)
        rows = await tx.fetch(
            f"SELECT {PAYMENT.columns} FROM payments p WHERE p.id IN ({ids}) {page}",
            *where.arguments,
        )
        return [PAYMENT.read(row) for row in rows]

    async def list_events(
        self, tx: Transaction, payment_id: str, *, after: int = 0, limit: int = MAX_LIMIT
    ) -> list[PaymentEvent]:
        """List up to `limit` history entries of one payment after version `after`, oldest first."""
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


def _sources(wanted: PaymentFilter) -> list[tuple[str, str, Sequence[object]]]:
    """The sources to search, as (source, condition, its values). Each walks one index."""
    if wanted.search is None:
        return [("payments p", "", [None])]
    begin, end = find_ids(wanted.search)
    sources: list[tuple[str, str, Sequence[object]]] = [
        ("payments p", "p.customer_id = ?", [wanted.search.strip().upper()]),
        ("payments p", "p.order_id = ANY(?::text[])", [wanted.order_ids]),
    ]
    if begin is not None:
        sources.append(
            ("payments p", "p.id BETWEEN ?::uuid AND ?::uuid AND p.id::text LIKE ?", begin)
        )
        sources.append(("payments p", "p.order_id BETWEEN ? AND ? AND p.order_id LIKE ?", begin))
    if end is not None:
        sources.append((_FIRST_EVENTS, _ENDS, end))
        sources.append(("payments p", _ENDS_WITHOUT_EVENT, [end.pattern]))
    return sources
