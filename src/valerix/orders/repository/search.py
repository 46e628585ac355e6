"""Statements that read orders for people: one, pages, history, counts."""

from collections.abc import Sequence

from valerix.chassis.base.pagination import MAX_LIMIT
from valerix.chassis.postgres.database import Transaction, Where
from valerix.contracts.ids import IdEnd, end_sql, find_ids
from valerix.contracts.states import sql
from valerix.orders.decisions import HistoryEntry
from valerix.orders.order import Order, OrderFilter
from valerix.orders.repository.rows import ORDER, read_entry
from valerix.orders.transitions import UNCOUNTED

_BY_PRODUCT = "order_products AS p (product_id, id)"
_OF_PRODUCT = f"{_BY_PRODUCT} JOIN orders o USING (id)"
"""In this source and in `orders o`, a plain `id` is a column of the index that is scanned."""
_BEGINS = "id BETWEEN ?::uuid AND ?::uuid AND id::text LIKE ?"
_ENDS = f"{end_sql('p.id')} = ? AND p.id::text LIKE ?"


class OrderSearchRepository:
    """Reads one order, pages of orders, their history and their number."""

    async def find_order(
        self, tx: Transaction, order_id: str, owner_id: str | None
    ) -> Order | None:
        """Find one order; with `owner_id`, only if it belongs to that customer."""
        row = await tx.fetchrow(
            f"""
            SELECT {ORDER.columns} FROM orders o
            WHERE o.id = $1 AND ($2::text IS NULL OR o.customer_id = $2)
            """,
            order_id,
            owner_id,
        )
        return None if row is None else ORDER.read(row)

    async def list_by_ids(self, tx: Transaction, ids: Sequence[str]) -> list[Order]:
        """List the orders that exist among these ids, in any order."""
        rows = await tx.fetch(
            f"SELECT {ORDER.columns} FROM orders o WHERE o.id = ANY($1::uuid[])", ids
        )
        return [ORDER.read(row) for row in rows]

    async def list_orders(self, tx: Transaction, wanted: OrderFilter) -> list[Order]:
        """List up to `limit` orders, newest first unless `ascending`.

        The orders are beyond the id `after`, with ids in [first, last).
        """
        where, page, found = (
            Where(wanted.limit),
            f"ORDER BY id {'ASC' if wanted.ascending else 'DESC'} LIMIT $1",
            list[str](),
        )
        for source, condition, values in _sources(wanted):
            where = Where(*where.arguments)
            where.add(condition, *values)
            where.add("id > ?::uuid" if wanted.ascending else "id < ?::uuid", wanted.after)
            where.add("id >= ?::uuid", wanted.first)
            where.add("id < ?::uuid", wanted.last)
            where.add("o.customer_id = ?", wanted.owner_id)
            where.add("o.status = ANY(?::text[])", wanted.statuses)
            where.add(
                "EXISTS (SELECT FROM order_events e WHERE e.order_id = o.id AND e.trace_id = ?)",
                wanted.trace_id,
            )
            if wanted.search is not None:
                where.add(
                    """EXISTS (SELECT FROM order_products h
                               WHERE h.order_id = o.id AND h.product_id = ?)""",
                    wanted.product_id,
                )
            found.append(f"(SELECT id FROM {source} {where.clause} {page})")
        # The ids are limited before orders are read: otherwise the planner expects a page from each
        # source, and reads the table instead.
        ids = f"SELECT id FROM ({' UNION '.join(found)}) AS found {page}"
        rows = await tx.fetch(
            f"SELECT {ORDER.columns} FROM orders o WHERE id IN ({ids}) {page}", *where.arguments
        )
        return [ORDER.read(row) for row in rows]

    async def list_ids_by_end(self, tx: Transaction, end: IdEnd, limit: int) -> list[str]:
        """List up to `limit` ids with this end, newest first."""
        where = Where(limit)
        where.add(_ENDS, *end)
        rows = await tx.fetch(
            f"""
            SELECT DISTINCT p.id::text AS id FROM {_BY_PRODUCT} {where.clause}
            ORDER BY 1 DESC LIMIT $1
            """,
            *where.arguments,
        )
        return [row["id"] for row in rows]

    async def list_events(
        self, tx: Transaction, order_id: str, *, after: int = 0, limit: int = MAX_LIMIT
    ) -> list[HistoryEntry]:
        """List up to `limit` entries of the history of one order, oldest first.

        The entries begin after version `after`.
        """
        rows = await tx.fetch(
            """
            SELECT version, type, data, steps, trace_id, occurred_at FROM order_events
            WHERE order_id = $1 AND version > $2 ORDER BY version LIMIT $3
            """,
            order_id,
            after,
            limit,
        )
        return [read_entry(row) for row in rows]

    async def count_open(self, tx: Transaction) -> dict[str, int]:
        """Count orders by status.

        States are left out if a count of them reads most of the table (UNCOUNTED).
        """
        rows = await tx.fetch(
            f"""
            SELECT status, count(*) FROM orders WHERE status NOT IN ({sql(*UNCOUNTED)})
            GROUP BY status
            """
        )
        return {row["status"]: row["count"] for row in rows}


def _sources(wanted: OrderFilter) -> list[tuple[str, str, Sequence[object]]]:
    """Return the sources of a search, as (source, condition, values).

    Each source scans one index in the order of its page.
    """
    product_id, search = wanted.product_id, wanted.search
    if search is None:
        return [
            ("orders o", "", [None])
            if product_id is None
            else (_OF_PRODUCT, "p.product_id = ?", [product_id])
        ]
    begin, end = find_ids(search)
    sources: list[tuple[str, str, Sequence[object]]] = []
    if begin is not None:
        sources.append(("orders o", _BEGINS, begin))
    if end is not None:
        sources.append((_OF_PRODUCT, _ENDS, end))
    words = {search.strip(), search.strip().upper()}
    sources += [(_OF_PRODUCT, "p.product_id = ?", [word]) for word in words]
    return sources + [
        ("orders o", "o.customer_id = ?", [customer]) for customer in words.union(wanted.customers)
    ]
