"""Reservations of orders: each function handles a list in one statement."""

from collections.abc import Collection, Sequence
from functools import partial

import asyncpg
import msgspec
from asyncpg.connection import Connection

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.commands import Allocation, PricedProduct
from valerix.contracts.states import ReservationStatus, sql
from valerix.inventory import domain
from valerix.inventory.domain import Ended, Ending, Initiator, Reservation, ReserveLine, Source

_PRODUCT, _ENDED = Reader(PricedProduct), Reader(Ended)
_RESERVATION = Reader(
    Reservation,
    allocations=partial(msgspec.convert, type=list[Allocation]),
    products=partial(msgspec.convert, type=list[PricedProduct]),
)
_RESERVED, _RELEASED = sql(ReservationStatus.RESERVED), sql(ReservationStatus.RELEASED)
_COMMITTED, _ABSENT = sql(ReservationStatus.COMMITTED), sql(ReservationStatus.ABSENT)
_WITHIN = f"""AND (state <> {_RESERVED} OR NOT EXISTS (
                    SELECT FROM jsonb_array_elements(lines) AS line
                    WHERE line ->> 'productId' <> ALL($6::text[])
                ))"""
OVERTAKEN = (asyncpg.UniqueViolationError,)
"""Errors of a statement that met another transaction. Run again, it sees the other's changes."""


class ReservationsRepository:
    """Begins, ends and reads the reservations of orders."""

    async def take(self, connection: Connection, lines: Sequence[ReserveLine]) -> dict[str, Source]:
        """Reserve all of these orders, each product from one shelf, and commit; or change nothing.

        Nothing changes when one of the orders has a reservation already or waits, when a product is
        not sold, or when its shelf has too few units left. Then there are no sources.

        The units on a shelf are read while its lock is taken. No transaction comes between, and a
        statement that waited sees what was left.

        Raises UniqueViolationError when an order got its reservation meanwhile.
        """
        rows = await connection.fetch(
            f"""
            WITH line AS (
                SELECT *
                FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[])
                    WITH ORDINALITY AS line (order_id, sku, quantity, actor, trace_id, place)
            ), shelf AS MATERIALIZED (
                SELECT sku, warehouse_id, on_hand, reserved, version FROM stock
                WHERE sku = ANY($2::text[]) ORDER BY sku, warehouse_id FOR UPDATE
            ), source AS MATERIALIZED (
                SELECT DISTINCT ON (s.sku) s.*, p.name, p.price_minor, p.currency
                FROM shelf s
                JOIN products p ON p.sku = s.sku
                JOIN warehouses w ON w.id = s.warehouse_id
                WHERE p.active AND s.on_hand > s.reserved
                ORDER BY s.sku, w.priority, w.id
            ), ledger AS MATERIALIZED ( -- for each product its shelf, then what each order takes
                SELECT sku, order_id, quantity, actor, trace_id, place,
                       first_value(warehouse_id) OVER shelf AS warehouse_id,
                       first_value(name) OVER shelf AS name,
                       first_value(price_minor) OVER shelf AS price_minor,
                       first_value(currency) OVER shelf AS currency,
                       first_value(on_hand) OVER shelf AS on_hand,
                       first_value(reserved) OVER shelf + sum(quantity) OVER shelf AS reserved,
                       first_value(version) OVER shelf + row_number() OVER shelf - 1 AS seq
                FROM (
                    SELECT sku, NULL AS order_id, 0 AS quantity, NULL AS actor, NULL AS trace_id,
                           0 AS place, warehouse_id, name, price_minor, currency, on_hand, reserved,
                           version
                    FROM source
                    UNION ALL
                    SELECT sku, order_id, quantity, actor, trace_id,
                           place, NULL, NULL, NULL, NULL, NULL, NULL,
                           NULL
                    FROM line
                ) entry
                WINDOW shelf AS (PARTITION BY sku ORDER BY place)
            ), fits AS MATERIALIZED (
                -- without a row nothing below happens. The time is taken after the locks, so it
                -- rises with seq
                SELECT clock_timestamp() AS occurred_at FROM ledger
                HAVING bool_and(coalesce(reserved <= on_hand, false))
                   AND NOT EXISTS (SELECT FROM reservations WHERE order_id = ANY($1::text[]))
            ), appended AS (
                INSERT INTO movements (sku, warehouse_id, seq, on_hand_delta, reserved_delta,
                                       on_hand_after, reserved_after, kind, order_id, actor,
                                       trace_id, occurred_at)
                SELECT sku, warehouse_id, seq, 0, quantity,
                       on_hand, reserved, 'reserve', order_id, actor,
                       trace_id, occurred_at
                FROM ledger, fits WHERE place > 0
            ), moved AS (
                -- on_hand as well: the constraint first sees the row as it was before another
                -- transaction changed it
                UPDATE stock SET on_hand = l.on_hand, reserved = l.reserved, version = l.version
                FROM (
                    SELECT sku, warehouse_id, max(on_hand) AS on_hand, max(reserved) AS reserved,
                           max(seq) AS version
                    FROM ledger, fits GROUP BY sku, warehouse_id
                ) l
                WHERE stock.sku = l.sku AND stock.warehouse_id = l.warehouse_id
            ), opened AS (
                INSERT INTO reservations (order_id, state, lines, products)
                SELECT order_id, {_RESERVED},
                       jsonb_agg(jsonb_build_object('productId', sku,
                                                    'warehouseId', warehouse_id,
                                                    'quantity', quantity) ORDER BY place),
                       jsonb_agg(jsonb_build_object('productId', sku, 'name', name,
                                                    'unitPriceMinor', price_minor,
                                                    'currency', currency) ORDER BY place)
                FROM ledger, fits WHERE place > 0 GROUP BY order_id ORDER BY order_id
            )
            SELECT sku AS product_id, name, price_minor AS unit_price_minor, currency, warehouse_id
            FROM source, fits
            """,
            *zip(*lines, strict=True),
        )
        return {row["product_id"]: Source(_PRODUCT.read(row), row["warehouse_id"]) for row in rows}

    async def end(
        self,
        connection: Connection,
        endings: Sequence[tuple[Ending, Initiator]],
        locked: Collection[str] | None = None,
    ) -> list[Ended]:
        """Bring the reservations of these orders, each named once, to the requested states; commit.

        Only reservations that this statement itself ends move stock. A reservation that another
        statement began or ended while this one waited is left out of the result; a second call
        finds it. With `locked`, the products whose stock is locked, the statement waits for no
        other shelf: an order that has reserved there is left as it is, and out of the result.
        """
        begun = f"reservations WHERE order_id = ANY($1::text[]) AND state <> {_ABSENT}"
        within, all_known = ("", "known") if locked is None else (_WITHIN, begun)
        rows = await connection.fetch(
            f"""
            WITH known AS MATERIALIZED (
                SELECT order_id, state, lines FROM {begun} {within}
            ), missing AS (
                SELECT * FROM unnest($1::text[], $2::text[]) AS a (order_id, wanted)
                WHERE order_id <> ALL(ARRAY(SELECT order_id FROM {all_known}))
            ), shelf AS MATERIALIZED (
                SELECT sku, warehouse_id, on_hand, reserved, version FROM stock
                WHERE (sku, warehouse_id) IN (
                    SELECT line.*
                    FROM known CROSS JOIN LATERAL jsonb_to_recordset(lines)
                        AS line ("productId" text, "warehouseId" text)
                    WHERE state = {_RESERVED}
                )
                ORDER BY sku, warehouse_id FOR UPDATE
            ), locked AS MATERIALIZED (
                -- one row, once the locks are held; so its time rises with seq
                SELECT clock_timestamp() AS occurred_at, count(*) FROM shelf
            ), ended AS (
                -- not joined with the requested orders: a plan made while the table is small
                -- reads all of it forever
                UPDATE reservations r
                SET state = ($2::text[])[array_position($1::text[], order_id)],
                    updated_at = occurred_at
                FROM locked
                WHERE order_id = ANY($1::text[]) AND state = {_RESERVED} {within}
                RETURNING order_id, state, lines,
                          array_position($1::text[], order_id) AS place, occurred_at
            ), refused AS (
                INSERT INTO reservations AS r (order_id, state, lines, products)
                SELECT order_id, wanted, '[]', '[]' FROM missing, locked
                WHERE wanted = {_RELEASED} ORDER BY order_id
                ON CONFLICT (order_id) DO UPDATE
                SET state = excluded.state, updated_at = excluded.updated_at
                WHERE r.state = {_ABSENT}
                RETURNING order_id, state
            ), ledger AS MATERIALIZED (
                -- for each shelf its units, then what each order moves there
                SELECT sku, warehouse_id, place, order_id, occurred_at,
                       on_hand_delta, reserved_delta,
                       first_value(on_hand) OVER shelf
                           + sum(on_hand_delta) OVER shelf AS on_hand,
                       first_value(reserved) OVER shelf
                           + sum(reserved_delta) OVER shelf AS reserved,
                       first_value(version) OVER shelf + row_number() OVER shelf - 1 AS seq
                FROM (
                    SELECT sku, warehouse_id, on_hand, reserved, version, 0 AS place,
                           NULL AS order_id, NULL::timestamptz AS occurred_at,
                           0 AS on_hand_delta, 0 AS reserved_delta
                    FROM shelf
                    UNION ALL
                    SELECT "productId", "warehouseId", NULL, NULL, NULL, place,
                           order_id, occurred_at,
                           CASE state WHEN {_COMMITTED} THEN -quantity ELSE 0 END, -quantity
                    FROM ended CROSS JOIN LATERAL jsonb_to_recordset(lines)
                        AS line ("productId" text, "warehouseId" text, quantity integer)
                ) entry
                WINDOW shelf AS (PARTITION BY sku, warehouse_id ORDER BY place)
            ), appended AS (
                INSERT INTO movements (sku, warehouse_id, seq, on_hand_delta, reserved_delta,
                                       on_hand_after, reserved_after, kind,
                                       order_id, actor, trace_id, occurred_at)
                SELECT sku, warehouse_id, seq, on_hand_delta, reserved_delta,
                       on_hand, reserved, ($3::text[])[place],
                       order_id, ($4::text[])[place], ($5::text[])[place], occurred_at
                FROM ledger WHERE place > 0
            ), moved AS (
                UPDATE stock SET on_hand = l.on_hand, reserved = l.reserved, version = l.version
                FROM (
                    SELECT sku, warehouse_id, min(on_hand) AS on_hand, min(reserved) AS reserved,
                           max(seq) AS version
                    FROM ledger WHERE place > 0 GROUP BY sku, warehouse_id
                ) l
                WHERE stock.sku = l.sku AND stock.warehouse_id = l.warehouse_id
            )
            SELECT order_id, state, jsonb_array_length(lines) AS movements,
                   true AS changed, true AS held
            FROM ended
            UNION ALL
            SELECT order_id, state, 0, true, false FROM refused
            UNION ALL
            SELECT order_id, state, 0, false, lines <> '[]' FROM known WHERE state <> {_RESERVED}
            UNION ALL
            SELECT order_id, {_ABSENT}, 0, false, false FROM missing WHERE wanted <> {_RELEASED}
            """,
            *zip(
                *((e.order_id, e.state, domain.STEP_TO[e.state], *origin) for e, origin in endings),
                strict=True,
            ),
            *([] if locked is None else [locked]),
        )
        return [_ENDED.read(row) for row in rows]

    async def find_reservations(
        self, tx: Transaction, order_ids: list[str]
    ) -> dict[str, Reservation]:
        """The reservations of the orders that have one.

        Read after the stock is locked, when they can no longer change.
        """
        rows = await tx.fetch(
            f"""
            SELECT order_id, state, lines AS allocations, products FROM reservations
            WHERE order_id = ANY($1::text[]) AND state <> {_ABSENT}
            """,
            order_ids,
        )
        return {row["order_id"]: _RESERVATION.read(row) for row in rows}
