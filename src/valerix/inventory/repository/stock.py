"""Stock rows and their ledger. Transactions take locks in the order that the migration states."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader, Rows
from valerix.contracts.commands import PricedProduct
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, schemas
from valerix.inventory.domain import Movement, Offer, Reservation, Shelf
from valerix.inventory.schemas import InventoryFilter, InventoryItem

_encode = msgspec.json.Encoder().encode


class Opened(NamedTuple):
    """A reservation as its row; `lines` and `products` are JSON."""

    order_id: str
    state: ReservationStatus
    lines: str
    products: str


class _Latest(NamedTuple):
    """The state of one stock row after its movements.

    `brought`: the number of the last movement that brought goods; 0: none did.
    """

    movement: Movement
    brought: int


class KeyedChange(NamedTuple):
    """The fingerprint of a change under an idempotency key, and its first answer."""

    fingerprint: bytes
    answer: object


class Level(NamedTuple):
    """The available units of one stock row."""

    sku: str
    warehouse_id: str
    available: int


_PRODUCT, _SHELF, _KEYED_CHANGE, _LEVEL = (
    Reader(PricedProduct),
    Reader(Shelf),
    Reader(KeyedChange),
    Reader(Level),
)
_LEDGER = Reader(schemas.LedgerEntry)
_MOVEMENTS = Rows(
    Movement,
    """sku text, warehouse_id text, seq bigint, on_hand_delta bigint, reserved_delta bigint,
       on_hand_after bigint, reserved_after bigint, kind text, order_id text,
       idempotency_key text, reason text, actor text, trace_id text""",
    alias="m",
)
_LATEST = Rows(
    _Latest,
    """movement.sku text, movement.warehouse_id text, movement.seq bigint,
       movement.on_hand_after bigint, movement.reserved_after bigint, brought bigint""",
    alias="l",
    first=14,
)
_OPENED = Rows(Opened, "order_id text, state text, lines text, products text", alias="o", first=20)


class StockRepository:
    """Reads and writes stock rows under their locks, the ledger, and changes under a key."""

    async def lock_offers(self, tx: Transaction, skus: list[str]) -> dict[str, Offer]:
        """Lock the stock rows of the products among `skus` that exist.

        The shelves of each product are in order of warehouse priority.
        """
        rows = await tx.fetch(
            """
            WITH locked AS (
                SELECT sku, warehouse_id, on_hand, reserved, version FROM stock
                WHERE sku = ANY($1::text[]) ORDER BY sku, warehouse_id FOR UPDATE
            )
            SELECT p.sku AS product_id, p.name, p.price_minor AS unit_price_minor,
                   p.currency, p.active, s.*
            FROM products p
            LEFT JOIN locked s ON s.sku = p.sku
            LEFT JOIN warehouses w ON w.id = s.warehouse_id
            WHERE p.sku = ANY($1::text[])
            ORDER BY p.sku, w.priority, w.id
            """,
            skus,
        )
        offers: dict[str, Offer] = {}
        for row in rows:
            offer = offers.setdefault(row["product_id"], Offer(_PRODUCT.read(row), row["active"]))
            if row["warehouse_id"] is not None:
                offer.shelves.append(_SHELF.read(row))
        return offers

    async def write(
        self,
        tx: Transaction,
        movements: Sequence[Movement],
        opened: Sequence[Reservation] = (),
    ) -> None:
        """Append to the ledger, update the (locked) stock rows, and record new reservations.

        Each stock row gets the values of its latest movement. The time is that of the statement:
        taken after the locks, it rises with `seq`.

        Raises UniqueViolationError when an order got its reservation meanwhile.
        """
        if not movements and not opened:
            return
        latest = {(m.sku, m.warehouse_id): m for m in movements}
        brought = {(m.sku, m.warehouse_id): m.seq for m in movements if m.on_hand_delta > 0}
        places = [_Latest(movement, brought.get(where, 0)) for where, movement in latest.items()]
        rows = [
            Opened(r.order_id, r.state, _json(r.allocations), _json(r.products)) for r in opened
        ]
        await tx.execute(
            f"""
            WITH appended AS (
                INSERT INTO movements ({_MOVEMENTS.names}, occurred_at)
                SELECT m.*, statement_timestamp() FROM {_MOVEMENTS.unnest}
            ), moved AS (
                UPDATE stock
                SET on_hand = l.on_hand_after, reserved = l.reserved_after, version = l.seq,
                    brought = greatest(stock.brought, l.brought)
                FROM {_LATEST.unnest}
                WHERE stock.sku = l.sku AND stock.warehouse_id = l.warehouse_id
            )
            INSERT INTO reservations ({_OPENED.names})
            SELECT o.order_id, o.state, o.lines::jsonb, o.products::jsonb
            FROM {_OPENED.unnest} ORDER BY o.order_id
            """,
            *_MOVEMENTS.arrays(movements),
            *_LATEST.arrays(places),
            *_OPENED.arrays(rows),
        )

    # --- changes by hand

    async def open_shelf(self, tx: Transaction, sku: str, warehouse_id: str) -> None:
        """Make sure the product has a stock row there. Raises UnknownProducts, UnknownWarehouse."""
        try:
            await tx.execute(
                "INSERT INTO stock (sku, warehouse_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                sku,
                warehouse_id,
            )
        except asyncpg.ForeignKeyViolationError as error:
            if error.constraint_name == "stock_sku_fkey":
                raise domain.UnknownProducts([sku]) from None
            raise domain.UnknownWarehouse(warehouse_id) from None

    async def find_first_warehouse(self, tx: Transaction) -> str | None:
        """The warehouse that stock is taken from, and put into, first."""
        found: str | None = await tx.fetchval(
            "SELECT id FROM warehouses ORDER BY priority, id LIMIT 1"
        )
        return found

    async def claim_key(self, tx: Transaction, lookup_key: bytes) -> bool:
        """Lock this idempotency key for the transaction. False while another one holds it."""
        number = int.from_bytes(lookup_key[:8], "big", signed=True)
        claimed: bool = await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", number)
        return claimed

    async def find_keyed_change(self, tx: Transaction, lookup_key: bytes) -> KeyedChange | None:
        """The change that used this key first."""
        row = await tx.fetchrow(
            "SELECT fingerprint, answer FROM keyed_changes WHERE lookup_key = $1", lookup_key
        )
        return _KEYED_CHANGE.read(row) if row else None

    async def insert_keyed_change(
        self, tx: Transaction, lookup_key: bytes, fingerprint: bytes, answer: msgspec.Struct
    ) -> None:
        await tx.execute(
            "INSERT INTO keyed_changes (lookup_key, fingerprint, answer) VALUES ($1, $2, $3)",
            lookup_key,
            fingerprint,
            answer,
        )

    # --- queries

    async def list_inventory(self, tx: Transaction, wanted: InventoryFilter) -> list[InventoryItem]:
        """List stock in order of product id."""
        rows = await tx.fetch(
            """
            SELECT * FROM inventory i
            WHERE sku > $1
              AND ($2::text IS NULL OR strpos(lower(sku), lower($2)) > 0
                   OR strpos(lower(name), lower($2)) > 0)
              AND ($3::text IS NULL
                   OR EXISTS (SELECT FROM stock s WHERE s.sku = i.sku AND s.warehouse_id = $3))
              AND (NOT $4::boolean OR low_stock)
            ORDER BY sku LIMIT $5
            """,
            wanted.after,
            wanted.q,
            wanted.warehouse_id,
            wanted.low_stock,
            wanted.limit,
        )
        return [_inventory_item(row) for row in rows]

    async def find_inventory(self, tx: Transaction, sku: str) -> InventoryItem | None:
        row = await tx.fetchrow("SELECT * FROM inventory WHERE sku = $1", sku)
        return _inventory_item(row) if row else None

    async def list_movements(
        self, tx: Transaction, sku: str, *, before: schemas.Position | None, limit: int
    ) -> list[schemas.LedgerEntry]:
        """The ledger of one product, latest first."""
        rows = await tx.fetch(
            """
            SELECT sku AS product_id, * FROM movements
            WHERE sku = $1
              AND (occurred_at, warehouse_id, seq)
                  < (coalesce($2::timestamptz, 'infinity'), $3::text, $4::bigint)
            ORDER BY occurred_at DESC, warehouse_id DESC, seq DESC LIMIT $5
            """,
            sku,
            *(before or (None, "", 0)),
            limit,
        )
        return [_LEDGER.read(row) for row in rows]

    async def list_stock_levels(self, tx: Transaction, limit: int) -> list[Level]:
        """List at most `limit` stock rows with their available units."""
        rows = await tx.fetch(
            """
            SELECT sku, warehouse_id, on_hand - reserved AS available FROM stock
            ORDER BY sku, warehouse_id LIMIT $1
            """,
            limit,
        )
        return [_LEVEL.read(row) for row in rows]

    async def count_low_stock(self, tx: Transaction) -> int:
        count: int = await tx.fetchval("SELECT count(*) FROM inventory WHERE low_stock")
        return count


def _json(value: object) -> str:
    return _encode(value).decode()


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
