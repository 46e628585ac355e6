"""All SQL of the inventory service. Transactions lock in the order the migration states."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from asyncpg.connection import Connection

from valerix.chassis.database import Transaction
from valerix.chassis.outbox import Entry
from valerix.contracts.commands import Allocation, PricedProduct
from valerix.contracts.money import Money
from valerix.inventory import domain, schemas
from valerix.inventory.domain import Claim, Ended, Ending, Movement, Offer, Origin, Reservation, Shelf, Source
from valerix.inventory.schemas import InventoryItem, Product, Warehouse

OVERTAKEN = (asyncpg.UniqueViolationError,)
"""A transaction that raises one of these met another one; run again, it sees what that one did."""

_encode = msgspec.json.Encoder().encode


# --- orders, over lists: in one statement when nothing stands in the way


async def take(lane: Connection, lines: Sequence[Claim]) -> dict[str, Source]:
    """Reserve all of these orders, each product from one shelf, and commit; or, when one of them is known already, a
    product is not sold or its shelf has too little left for all, change nothing: then there are no sources.

    What a shelf holds is read while its lock is taken, so nobody comes between, and whoever waited sees what was left.
    Raises UniqueViolationError when an order got its reservation meanwhile.
    """
    rows = await lane.fetch(
        """
        WITH line AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[]) WITH ORDINALITY
                AS line (order_id, sku, quantity, actor, trace_id, place)
        ), shelf AS MATERIALIZED (
            SELECT sku, warehouse_id, on_hand, reserved, version FROM stock
            WHERE sku = ANY($2::text[]) ORDER BY sku, warehouse_id FOR UPDATE
        ), source AS MATERIALIZED (
            SELECT DISTINCT ON (s.sku) s.*, p.name, p.price_minor, p.currency
            FROM shelf s JOIN products p ON p.sku = s.sku JOIN warehouses w ON w.id = s.warehouse_id
            WHERE p.active AND s.on_hand > s.reserved
            ORDER BY s.sku, w.priority, w.id
        ), ledger AS MATERIALIZED ( -- of each product its shelf, then what each order takes from there
            SELECT sku, order_id, quantity, actor, trace_id, place,
                   first_value(warehouse_id) OVER shelf AS warehouse_id,
                   first_value(name) OVER shelf AS name,
                   first_value(price_minor) OVER shelf AS price_minor,
                   first_value(currency) OVER shelf AS currency,
                   first_value(on_hand) OVER shelf AS on_hand,
                   first_value(reserved) OVER shelf + sum(quantity) OVER shelf AS reserved,
                   first_value(version) OVER shelf + row_number() OVER shelf - 1 AS seq
            FROM (
                SELECT sku, NULL AS order_id, 0 AS quantity, NULL AS actor, NULL AS trace_id, 0 AS place, warehouse_id,
                       name, price_minor, currency, on_hand, reserved, version FROM source
                UNION ALL
                SELECT sku, order_id, quantity, actor, trace_id, place, NULL, NULL, NULL, NULL, NULL, NULL, NULL
                FROM line
            ) entry
            WINDOW shelf AS (PARTITION BY sku ORDER BY place)
        ), fits AS MATERIALIZED ( -- no row: nothing below happens. The time is taken after the locks: it rises with seq
            SELECT clock_timestamp() AS occurred_at FROM ledger
            HAVING bool_and(coalesce(reserved <= on_hand, false))
               AND NOT EXISTS (SELECT FROM reservations WHERE order_id = ANY($1::text[]))
        ), appended AS (
            INSERT INTO movements (sku, warehouse_id, seq, on_hand_delta, reserved_delta, on_hand_after,
                                   reserved_after, kind, order_id, actor, trace_id, occurred_at)
            SELECT sku, warehouse_id, seq, 0, quantity, on_hand, reserved, 'reserve', order_id, actor, trace_id,
                   occurred_at
            FROM ledger, fits WHERE place > 0
        ), moved AS (
            UPDATE stock SET reserved = l.reserved, version = l.version
            FROM (
                SELECT sku, warehouse_id, max(reserved) AS reserved, max(seq) AS version
                FROM ledger, fits GROUP BY sku, warehouse_id
            ) l
            WHERE stock.sku = l.sku AND stock.warehouse_id = l.warehouse_id
        ), opened AS (
            INSERT INTO reservations (order_id, state, lines, products)
            SELECT order_id, 'reserved',
                   jsonb_agg(jsonb_build_object('productId', sku, 'warehouseId', warehouse_id, 'quantity', quantity)
                             ORDER BY place),
                   jsonb_agg(jsonb_build_object('productId', sku, 'name', name, 'unitPriceMinor', price_minor,
                                                'currency', currency) ORDER BY place)
            FROM ledger, fits WHERE place > 0 GROUP BY order_id ORDER BY order_id
        )
        SELECT sku, name, price_minor, currency, warehouse_id FROM source, fits
        """,
        *zip(*lines, strict=True),
    )
    return {row[0]: Source(PricedProduct(row[0], row[1], row[2], row[3]), row[4]) for row in rows}


async def end(lane: Connection, endings: Sequence[tuple[Ending, Origin]]) -> list[Ended]:
    """Bring the reservations of these orders, each named once, to where they are wanted, and commit.

    Only what this statement ends itself moves stock. What somebody else ended while it waited for the shelves is left
    out of the answer: asked again, it is found ended.
    Raises UniqueViolationError when an order got its reservation meanwhile.
    """
    rows = await lane.fetch(
        """
        WITH known AS MATERIALIZED (
            SELECT order_id, state, lines FROM reservations WHERE order_id = ANY($1::text[])
        ), missing AS (
            SELECT * FROM unnest($1::text[], $2::text[]) AS a (order_id, wanted)
            WHERE order_id <> ALL(ARRAY(SELECT order_id FROM known))
        ), shelf AS MATERIALIZED (
            SELECT sku, warehouse_id, on_hand, reserved, version FROM stock
            WHERE (sku, warehouse_id) IN (
                SELECT line.*
                FROM known CROSS JOIN LATERAL jsonb_to_recordset(lines) AS line ("productId" text, "warehouseId" text)
                WHERE state = 'reserved'
            )
            ORDER BY sku, warehouse_id FOR UPDATE
        ), locked AS MATERIALIZED ( -- one row, once the locks are held; so its time rises with seq
            SELECT clock_timestamp() AS occurred_at, count(*) FROM shelf
        ), ended AS ( -- not joined with what was asked: planned while the table is young, that reads all of it for ever
            UPDATE reservations r
            SET state = ($2::text[])[array_position($1::text[], order_id)], updated_at = occurred_at
            FROM locked
            WHERE order_id = ANY($1::text[]) AND state = 'reserved'
            RETURNING order_id, state, lines, array_position($1::text[], order_id) AS place, occurred_at
        ), refused AS (
            INSERT INTO reservations (order_id, state, lines, products)
            SELECT order_id, wanted, '[]', '[]' FROM missing, locked WHERE wanted = 'released' ORDER BY order_id
            RETURNING order_id, state
        ), ledger AS MATERIALIZED ( -- of each shelf what it held, then what each order moves there
            SELECT sku, warehouse_id, place, order_id, occurred_at, on_hand_delta, reserved_delta,
                   first_value(on_hand) OVER shelf + sum(on_hand_delta) OVER shelf AS on_hand,
                   first_value(reserved) OVER shelf + sum(reserved_delta) OVER shelf AS reserved,
                   first_value(version) OVER shelf + row_number() OVER shelf - 1 AS seq
            FROM (
                SELECT sku, warehouse_id, on_hand, reserved, version, 0 AS place, NULL AS order_id,
                       NULL::timestamptz AS occurred_at, 0 AS on_hand_delta, 0 AS reserved_delta
                FROM shelf
                UNION ALL
                SELECT "productId", "warehouseId", NULL, NULL, NULL, place, order_id, occurred_at,
                       CASE state WHEN 'committed' THEN -quantity ELSE 0 END, -quantity
                FROM ended CROSS JOIN LATERAL jsonb_to_recordset(lines)
                    AS line ("productId" text, "warehouseId" text, quantity integer)
            ) entry
            WINDOW shelf AS (PARTITION BY sku, warehouse_id ORDER BY place)
        ), appended AS (
            INSERT INTO movements (sku, warehouse_id, seq, on_hand_delta, reserved_delta, on_hand_after,
                                   reserved_after, kind, order_id, actor, trace_id, occurred_at)
            SELECT sku, warehouse_id, seq, on_hand_delta, reserved_delta, on_hand, reserved, ($3::text[])[place],
                   order_id, ($4::text[])[place], ($5::text[])[place], occurred_at
            FROM ledger WHERE place > 0
        ), moved AS (
            UPDATE stock SET on_hand = l.on_hand, reserved = l.reserved, version = l.version
            FROM (
                SELECT sku, warehouse_id, min(on_hand) AS on_hand, min(reserved) AS reserved, max(seq) AS version
                FROM ledger WHERE place > 0 GROUP BY sku, warehouse_id
            ) l
            WHERE stock.sku = l.sku AND stock.warehouse_id = l.warehouse_id
        )
        SELECT order_id, state, jsonb_array_length(lines), true FROM ended
        UNION ALL SELECT order_id, state, 0, true FROM refused
        UNION ALL SELECT order_id, state, 0, false FROM known WHERE state <> 'reserved'
        UNION ALL SELECT order_id, 'absent', 0, false FROM missing WHERE wanted <> 'released'
        """,
        *zip(*((e.order_id, e.state, domain.STEP_TO[e.state], *origin) for e, origin in endings), strict=True),
    )
    return [Ended(*row) for row in rows]


# --- orders, over lists: one by one


async def lock_offers(tx: Transaction, skus: list[str]) -> dict[str, Offer]:
    """The products among `skus` that exist, their stock rows locked, shelves in order of warehouse priority."""
    rows = await tx.fetch(
        """
        WITH locked AS (
            SELECT sku, warehouse_id, on_hand, reserved, version FROM stock
            WHERE sku = ANY($1::text[]) ORDER BY sku, warehouse_id FOR UPDATE
        )
        SELECT p.sku, p.name, p.price_minor, p.currency, p.active, s.warehouse_id, s.on_hand, s.reserved, s.version
        FROM products p
        LEFT JOIN locked s ON s.sku = p.sku
        LEFT JOIN warehouses w ON w.id = s.warehouse_id
        WHERE p.sku = ANY($1::text[])
        ORDER BY p.sku, w.priority, w.id
        """,
        skus,
    )
    offers: dict[str, Offer] = {}
    for sku, name, price_minor, currency, active, warehouse_id, on_hand, reserved, version in rows:
        if sku not in offers:
            offers[sku] = Offer(PricedProduct(sku, name, price_minor, currency), active)
        if warehouse_id is not None:
            offers[sku].shelves.append(Shelf(sku, warehouse_id, on_hand, reserved, version))
    return offers


async def find_reservations(tx: Transaction, order_ids: list[str]) -> dict[str, Reservation]:
    """Those of the orders that have one. Read after the stock is locked: then they cannot change any more."""
    rows = await tx.fetch(
        "SELECT order_id, state, lines, products FROM reservations WHERE order_id = ANY($1::text[])", order_ids
    )
    return {
        order_id: Reservation(
            order_id, state, msgspec.convert(lines, list[Allocation]), msgspec.convert(products, list[PricedProduct])
        )
        for order_id, state, lines, products in rows
    }


async def write(
    tx: Transaction,
    movements: Sequence[Movement],
    opened: Sequence[Reservation] = (),
) -> None:
    """Append to the ledger, bring the (locked) stock rows to where their latest movement leaves them, and record the
    reservations that began. The time is the statement's: taken after the locks, it rises with `seq`.

    Raises UniqueViolationError when an order got its reservation meanwhile.
    """
    latest = {(m.sku, m.warehouse_id): m for m in movements}.values()
    await tx.execute(
        """
        WITH appended AS (
            INSERT INTO movements (sku, warehouse_id, seq, on_hand_delta, reserved_delta, on_hand_after,
                                   reserved_after, kind, order_id, idempotency_key, reason, actor, trace_id,
                                   occurred_at)
            SELECT m.*, statement_timestamp()
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                        $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) AS m
        ), moved AS (
            UPDATE stock SET on_hand = l.on_hand, reserved = l.reserved, version = l.version
            FROM unnest($14::text[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[])
                 AS l (sku, warehouse_id, on_hand, reserved, version)
            WHERE stock.sku = l.sku AND stock.warehouse_id = l.warehouse_id
        )
        INSERT INTO reservations (order_id, state, lines, products)
        SELECT o.order_id, o.state, o.lines::jsonb, o.products::jsonb
        FROM unnest($19::text[], $20::text[], $21::text[], $22::text[]) AS o (order_id, state, lines, products)
        ORDER BY o.order_id
        """,
        *_columns(movements, 13),
        *_columns([(m.sku, m.warehouse_id, m.on_hand_after, m.reserved_after, m.seq) for m in latest], 5),
        *_columns([(r.order_id, r.state, _json(r.allocations), _json(r.products)) for r in opened], 4),
    )


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _json(value: object) -> str:
    return _encode(value).decode()


# --- changes by hand


async def open_shelf(tx: Transaction, sku: str, warehouse_id: str) -> None:
    """Make sure the product has a stock row there. Raises UnknownProduct, UnknownWarehouse."""
    try:
        await tx.execute(
            "INSERT INTO stock (sku, warehouse_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", sku, warehouse_id
        )
    except asyncpg.ForeignKeyViolationError as error:
        if error.constraint_name == "stock_sku_fkey":
            raise domain.UnknownProduct([sku]) from None
        raise domain.UnknownWarehouse(warehouse_id) from None


async def find_first_warehouse(tx: Transaction) -> str | None:
    """The one stock is taken from, and put into, first."""
    found: str | None = await tx.fetchval("SELECT id FROM warehouses ORDER BY priority, id LIMIT 1")
    return found


async def claim_key(tx: Transaction, lookup_key: bytes) -> bool:
    """Hold this idempotency key until the transaction ends; False while another one holds it."""
    number = int.from_bytes(lookup_key[:8], "big", signed=True)
    claimed: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", number)
    return claimed


async def find_keyed_change(tx: Transaction, lookup_key: bytes) -> tuple[bytes, Any] | None:
    """Fingerprint and answer of the change that used this key first."""
    row = await tx.fetchrow("SELECT fingerprint, answer FROM keyed_changes WHERE lookup_key = $1", lookup_key)
    return (row[0], row[1]) if row else None


async def insert_keyed_change(tx: Transaction, lookup_key: bytes, fingerprint: bytes, answer: msgspec.Struct) -> None:
    await tx.execute(
        "INSERT INTO keyed_changes (lookup_key, fingerprint, answer) VALUES ($1, $2, $3)",
        lookup_key,
        fingerprint,
        answer,
    )


# --- what people read


async def list_inventory(
    tx: Transaction, *, q: str | None, warehouse_id: str | None, low_stock: bool, after: str, limit: int
) -> list[InventoryItem]:
    """Products by id, those after `after`; `q` is looked for in id and name."""
    rows = await tx.fetch(
        """
        SELECT * FROM inventory i
        WHERE sku > $1
          AND ($2::text IS NULL OR strpos(lower(sku), lower($2)) > 0 OR strpos(lower(name), lower($2)) > 0)
          AND ($3::text IS NULL OR EXISTS (SELECT FROM stock s WHERE s.sku = i.sku AND s.warehouse_id = $3))
          AND (NOT $4::boolean OR low_stock)
        ORDER BY sku LIMIT $5
        """,
        after,
        q,
        warehouse_id,
        low_stock,
        limit,
    )
    return [_inventory_item(row) for row in rows]


async def find_inventory(tx: Transaction, sku: str) -> InventoryItem | None:
    row = await tx.fetchrow("SELECT * FROM inventory WHERE sku = $1", sku)
    return _inventory_item(row) if row else None


def _inventory_item(row: asyncpg.Record) -> InventoryItem:
    return InventoryItem(
        product_id=row["sku"],
        name=row["name"],
        active=row["active"],
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        available=row["available"],
        low_stock_threshold=row["low_stock_threshold"],
        low_stock=row["low_stock"],
        warehouses=msgspec.convert(row["warehouses"], list[schemas.WarehouseStock]),
    )


async def list_movements(
    tx: Transaction, sku: str, *, before: schemas.Position | None, limit: int
) -> list[schemas.Movement]:
    """The ledger of one product, latest first."""
    rows = await tx.fetch(
        """
        SELECT sku, warehouse_id, seq, kind, on_hand_delta, reserved_delta, on_hand_after, reserved_after,
               order_id, reason, actor, trace_id, occurred_at
        FROM movements
        WHERE sku = $1
          AND (occurred_at, warehouse_id, seq) < (coalesce($2::timestamptz, 'infinity'), $3::text, $4::bigint)
        ORDER BY occurred_at DESC, warehouse_id DESC, seq DESC LIMIT $5
        """,
        sku,
        *(before or (None, "", 0)),
        limit,
    )
    return [schemas.Movement(*row) for row in rows]


async def list_stock_levels(tx: Transaction, limit: int) -> list[tuple[str, str, int]]:
    """(sku, warehouse, available) of at most `limit` stock rows."""
    rows = await tx.fetch(
        "SELECT sku, warehouse_id, on_hand - reserved FROM stock ORDER BY sku, warehouse_id LIMIT $1", limit
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def count_low_stock(tx: Transaction) -> int:
    count: int = await tx.fetchval("SELECT count(*) FROM inventory WHERE low_stock")
    return count


# --- catalogue


async def insert_product(tx: Transaction, new: schemas.NewProduct) -> Product | None:
    """None when there is one with this id."""
    row = await tx.fetchrow(
        """
        INSERT INTO products (sku, name, description, price_minor, currency, active, low_stock_threshold)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING *
        """,
        new.product_id,
        *_product_values(new),
    )
    return _product(row) if row else None


async def update_product(
    tx: Transaction, sku: str, body: schemas.ProductBody, expected_version: int | None
) -> Product | None:
    """None when there is no such product, or not at the expected version."""
    row = await tx.fetchrow(
        """
        UPDATE products SET name = $2, description = $3, price_minor = $4, currency = $5, active = $6,
               low_stock_threshold = $7, version = version + 1, updated_at = now()
        WHERE sku = $1 AND version = coalesce($8::bigint, version) RETURNING *
        """,
        sku,
        *_product_values(body),
        expected_version,
    )
    return _product(row) if row else None


def _product_values(body: schemas.ProductBody) -> tuple[Any, ...]:
    price = body.price
    return body.name, body.description, price.amount_minor, price.currency, body.active, body.low_stock_threshold


async def find_product(tx: Transaction, sku: str) -> Product | None:
    row = await tx.fetchrow("SELECT * FROM products WHERE sku = $1", sku)
    return _product(row) if row else None


async def lock_product(tx: Transaction, sku: str) -> bool:
    """Hold the product so that no stock row can come to it meanwhile; False when there is none."""
    return await tx.fetchval("SELECT true FROM products WHERE sku = $1 FOR UPDATE", sku) is True


async def has_stock_rows(tx: Transaction, sku: str) -> bool:
    """Whether the product was ever in stock."""
    found: bool = await tx.fetchval("SELECT EXISTS (SELECT FROM stock WHERE sku = $1)", sku)
    return found


async def deactivate_product(tx: Transaction, sku: str) -> None:
    await tx.execute(
        """
        UPDATE products SET active = false, version = version + 1, updated_at = now()
        WHERE sku = $1 AND active
        """,
        sku,
    )


async def delete_product(tx: Transaction, sku: str) -> None:
    await tx.execute("DELETE FROM products WHERE sku = $1", sku)


async def list_products(
    tx: Transaction, *, q: str | None, active: bool | None, after: str, limit: int
) -> list[Product]:
    """Products by id, those after `after`; `q` is looked for in id and name."""
    rows = await tx.fetch(
        """
        SELECT * FROM products
        WHERE sku > $1
          AND ($2::text IS NULL OR strpos(lower(sku), lower($2)) > 0 OR strpos(lower(name), lower($2)) > 0)
          AND active = coalesce($3::boolean, active)
        ORDER BY sku LIMIT $4
        """,
        after,
        q,
        active,
        limit,
    )
    return [_product(row) for row in rows]


def _product(row: asyncpg.Record) -> Product:
    return Product(
        product_id=row["sku"],
        name=row["name"],
        description=row["description"],
        price=Money(row["price_minor"], row["currency"]),
        active=row["active"],
        low_stock_threshold=row["low_stock_threshold"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def insert_warehouse(tx: Transaction, new: schemas.NewWarehouse) -> Warehouse | None:
    """None when there is one with this id."""
    row = await tx.fetchrow(
        """
        INSERT INTO warehouses (id, name, priority) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
        RETURNING id, name, priority, created_at
        """,
        new.warehouse_id,
        new.name,
        new.priority,
    )
    return Warehouse(*row) if row else None


async def list_warehouses(tx: Transaction, *, after: str, limit: int) -> list[Warehouse]:
    rows = await tx.fetch(
        "SELECT id, name, priority, created_at FROM warehouses WHERE id > $1 ORDER BY id LIMIT $2", after, limit
    )
    return [Warehouse(*row) for row in rows]


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first outbox rows."""
    rows = await tx.fetch(
        """
        SELECT o.id, e->>0, e->>1, (e->>2)::bigint, (e->>3)::timestamptz, e->>4, (e->5)::text
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL json_array_elements(o.events) WITH ORDINALITY AS r (e, place)
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [Entry(*row) for row in rows]
