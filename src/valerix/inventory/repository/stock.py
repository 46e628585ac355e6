"""Stock rows and their ledger. Transactions lock in the order the migration states."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction
from valerix.contracts.commands import PricedProduct
from valerix.inventory import domain, schemas
from valerix.inventory.domain import Movement, Offer, Reservation, Shelf
from valerix.inventory.schemas import InventoryItem

_encode = msgspec.json.Encoder().encode


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
