"""The waiting list.

The missing units of a product are read and changed only under the locks of its stock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import msgspec

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Rows
from valerix.contracts.commands import Allocation
from valerix.contracts.states import ReservationStatus, sql
from valerix.inventory.waiting import WaitingOrder

_encode = msgspec.json.Encoder().encode
_ABSENT = sql(ReservationStatus.ABSENT)


class _PlaceRow(NamedTuple):
    order: WaitingOrder
    missing: int
    holding: bool


class _LineRow(NamedTuple):
    order: WaitingOrder
    sku: str
    quantity: int
    missing: int
    set_aside: str


_PLACES = Rows(
    _PlaceRow,
    """order.order_id text, order.since timestamptz, order.trace_id text, order.version integer,
       missing bigint, holding boolean""",
    alias="p",
)
_LINES = Rows(
    _LineRow,
    """order.order_id text, sku text, order.since timestamptz,
       quantity bigint, missing bigint, set_aside text""",
    alias="l",
    first=7,
)
_RIVALS = """
    SELECT rival.order_id
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS product (sku, units, wanted)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(on_hand - reserved), 0) AS units FROM stock s WHERE s.sku = product.sku
    ) available CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity - missing), 0) AS units FROM waiting_lines l
        WHERE l.sku = product.sku AND l.order_id = ANY($4::text[])
    ) held CROSS JOIN LATERAL (
        (SELECT order_id FROM waiting_lines l
         WHERE l.sku = product.sku AND l.missing < l.quantity AND l.order_id <> ALL($4::text[])
           AND EXISTS (SELECT FROM waiting_orders o WHERE o.order_id = l.order_id AND o.missing > 0)
         ORDER BY since DESC, order_id DESC LIMIT product.wanted)
        UNION ALL
        (SELECT order_id FROM waiting_lines l
         WHERE l.sku = product.sku AND l.missing > 0 AND l.order_id <> ALL($4::text[])
         ORDER BY since, order_id LIMIT greatest(product.units, available.units) + held.units)
    ) rival"""
"""For each product the youngest incomplete orders that hold some, at most as many as units are
wanted, and the oldest orders that lack it, as many as there are units to hand out. The requested
orders ($4) are not among them; they may be leaving.
"""


class WaitingRepository:
    """Reads and writes the places on the waiting list."""

    async def find_wanted(self, tx: Transaction, order_id: str) -> dict[str, int]:
        """The units of each product that the order waits for.

        The stock of these products has to be locked before the place of the order may change.
        """
        rows = await tx.fetch(
            "SELECT sku, quantity FROM waiting_lines WHERE order_id = $1", order_id
        )
        return {row["sku"]: row["quantity"] for row in rows}

    async def list_held_products(self, tx: Transaction, order_ids: Sequence[str]) -> list[str]:
        """Products that are reserved or set aside for these orders, or wanted by them."""
        rows = await tx.fetch(
            """
            SELECT sku FROM waiting_lines WHERE order_id = ANY($1::text[])
            UNION
            SELECT line ->> 'productId'
            FROM reservations CROSS JOIN LATERAL jsonb_array_elements(lines) AS line
            WHERE order_id = ANY($1::text[])
            """,
            order_ids,
        )
        return [row["sku"] for row in rows]

    async def lock(
        self,
        tx: Transaction,
        available: Mapping[str, int],
        wanted: Mapping[str, int],
        order_ids: Sequence[str],
    ) -> dict[str, WaitingOrder]:
        """Lock the waiting orders among `order_ids`, and the orders that `hand_out` needs.

        The stock of the products is locked already. The orders come without their lines.
        `available`: the units of each product, when there are more than its rows say yet. `wanted`:
        the units that an order may take from younger ones.
        """
        rows = await tx.fetch(
            f"""
            SELECT order_id, since, trace_id, version FROM waiting_orders
            WHERE order_id = ANY(ARRAY(SELECT unnest($4::text[]) UNION ALL {_RIVALS}))
            ORDER BY since, order_id FOR UPDATE
            """,
            list(available),
            list(available.values()),
            [wanted[sku] for sku in available],
            order_ids,
        )
        return {
            row["order_id"]: WaitingOrder(
                row["order_id"], row["since"], row["trace_id"], {}, version=row["version"]
            )
            for row in rows
        }

    async def read_lines(self, tx: Transaction, orders: Mapping[str, WaitingOrder]) -> None:
        """Add the lines of these locked orders to them."""
        lines = await tx.fetch(
            """
            SELECT order_id, sku, quantity, set_aside FROM waiting_lines
            WHERE order_id = ANY($1::text[]) ORDER BY order_id, sku
            """,
            list(orders),
        )
        for line in lines:
            order = orders[line["order_id"]]
            order.wanted[line["sku"]] = line["quantity"]
            order.set_aside += msgspec.convert(line["set_aside"], list[Allocation])

    async def count_places(self, tx: Transaction, skus: Sequence[str]) -> dict[str, int]:
        """The number of warehouses in which each of these products has a place."""
        rows = await tx.fetch(
            """
            SELECT product.sku, (SELECT count(*) FROM stock s WHERE s.sku = product.sku) AS places
            FROM unnest($1::text[]) AS product (sku)
            """,
            skus,
        )
        return {row["sku"]: row["places"] for row in rows}

    async def save(self, tx: Transaction, orders: Sequence[WaitingOrder]) -> None:
        """Write these locked or new places as they are now, each with its next version.

        Raises UniqueViolationError when, meanwhile, an order joined the list, or its reservation
        began or ended.
        """
        if not orders:
            return
        for order in orders:
            order.version, order.changed = order.version + 1, False
        places = [_place_row(order) for order in orders]
        lines = [line for order in orders for line in _line_rows(order)]
        await tx.execute(
            f"""
            WITH line AS (
                SELECT * FROM {_LINES.unnest}
            ), place AS (
                INSERT INTO waiting_orders AS w
                    (order_id, since, trace_id, version, missing, holding_since)
                SELECT order_id, since, trace_id, version, missing, CASE WHEN holding THEN now() END
                FROM {_PLACES.unnest} ORDER BY since, order_id
                ON CONFLICT (order_id) DO UPDATE
                SET version = excluded.version, missing = excluded.missing,
                    holding_since = CASE WHEN excluded.holding_since IS NOT NULL
                                    THEN coalesce(w.holding_since, excluded.holding_since) END
            ), kept AS (
                INSERT INTO reservations (order_id, state, lines, products)
                SELECT order_id, {_ABSENT}, '[]', '[]' FROM {_PLACES.unnest}
                WHERE version = 1 ORDER BY order_id
            ), gone AS (
                DELETE FROM waiting_lines w WHERE order_id = ANY($1::text[])
                AND NOT EXISTS (SELECT FROM line l WHERE l.order_id = w.order_id AND l.sku = w.sku)
            )
            INSERT INTO waiting_lines AS w (order_id, sku, since, quantity, missing, set_aside)
            SELECT order_id, sku, since, quantity, missing, set_aside::jsonb FROM line
            ON CONFLICT (order_id, sku) DO UPDATE
            SET quantity = excluded.quantity, missing = excluded.missing,
                set_aside = excluded.set_aside
            """,
            *_PLACES.arrays(places),
            *_LINES.arrays(lines),
        )

    async def delete(self, tx: Transaction, order_ids: Sequence[str]) -> None:
        """Take these locked orders off the list."""
        await tx.execute(
            f"""
            WITH kept AS (
                DELETE FROM reservations WHERE order_id = ANY($1::text[]) AND state = {_ABSENT}
            )
            DELETE FROM waiting_orders WHERE order_id = ANY($1::text[])
            """,
            order_ids,
        )

    # --- the sweep

    async def list_holding_for(
        self, tx: Transaction, longer_than: timedelta, after: str, limit: int
    ) -> list[str]:
        """List incomplete orders after the id `after` that have held units for longer than this."""
        rows = await tx.fetch(
            """
            SELECT order_id FROM waiting_orders
            WHERE holding_since < now() - $1::interval AND order_id > $2
            ORDER BY order_id LIMIT $3
            """,
            longer_than,
            after,
            limit,
        )
        return [row["order_id"] for row in rows]

    async def list_completable(self, tx: Transaction, skus: Sequence[str], limit: int) -> list[str]:
        """List orders that lack no other products than these, the oldest first."""
        rows = await tx.fetch(
            """
            SELECT o.order_id FROM waiting_lines l JOIN waiting_orders o USING (order_id)
            WHERE l.sku = ANY($1::text[]) AND l.missing > 0
            GROUP BY o.order_id HAVING sum(l.missing) = o.missing
            ORDER BY o.since, o.order_id LIMIT $2
            """,
            skus,
            limit,
        )
        return [row["order_id"] for row in rows]

    async def list_unserved(self, tx: Transaction, limit: int) -> list[str]:
        """List products on sale that are available although an order waits for them."""
        rows = await tx.fetch(
            """
            SELECT DISTINCT l.sku
            FROM waiting_lines l JOIN products p USING (sku) JOIN stock s USING (sku)
            WHERE l.missing > 0 AND p.active AND s.on_hand > s.reserved LIMIT $1
            """,
            limit,
        )
        return [row["sku"] for row in rows]


def _place_row(order: WaitingOrder) -> _PlaceRow:
    missing = sum(map(order.lacks, order.wanted))
    return _PlaceRow(order, missing, missing > 0 and bool(order.set_aside))


def _line_rows(order: WaitingOrder) -> Iterable[_LineRow]:
    for sku, quantity in order.wanted.items():
        set_aside = [allocation for allocation in order.set_aside if allocation.product_id == sku]
        yield _LineRow(order, sku, quantity, order.lacks(sku), _encode(set_aside).decode())
