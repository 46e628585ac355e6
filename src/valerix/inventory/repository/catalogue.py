"""Products and warehouses."""

from collections.abc import Sequence

import asyncpg

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.commands import PricedProduct
from valerix.contracts.money import Money
from valerix.inventory import schemas
from valerix.inventory.schemas import Product, ProductFilter, Warehouse

_WAREHOUSE, _PRICED = Reader(Warehouse), Reader(PricedProduct)


class CatalogueRepository:
    """Reads and writes products and warehouses by their ids."""

    async def insert_product(self, tx: Transaction, new: schemas.NewProduct) -> Product | None:
        """Insert a product. None when one with this id exists."""
        row = await tx.fetchrow(
            """
            INSERT INTO products
                (sku, name, description, price_minor, currency, active, low_stock_threshold)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING *
            """,
            new.product_id,
            *_product_values(new),
        )
        return _product(row) if row else None

    async def update_product(
        self, tx: Transaction, sku: str, body: schemas.ProductBody, expected_version: int | None
    ) -> Product | None:
        """Update a product. None when it does not exist, or is not at the expected version."""
        row = await tx.fetchrow(
            """
            UPDATE products
            SET name = $2, description = $3, price_minor = $4, currency = $5, active = $6,
                low_stock_threshold = $7, version = version + 1, updated_at = now()
            WHERE sku = $1 AND version = coalesce($8::bigint, version) RETURNING *
            """,
            sku,
            *_product_values(body),
            expected_version,
        )
        return _product(row) if row else None

    async def find_product(self, tx: Transaction, sku: str) -> Product | None:
        row = await tx.fetchrow("SELECT * FROM products WHERE sku = $1", sku)
        return _product(row) if row else None

    async def lock_product(self, tx: Transaction, sku: str) -> bool:
        """Lock the product, so that no stock row can be added. False when it does not exist."""
        return await tx.fetchval("SELECT true FROM products WHERE sku = $1 FOR UPDATE", sku) is True

    async def has_stock_rows(self, tx: Transaction, sku: str) -> bool:
        """Whether the product was ever in stock."""
        found: bool = await tx.fetchval("SELECT EXISTS (SELECT FROM stock WHERE sku = $1)", sku)
        return found

    async def deactivate_product(self, tx: Transaction, sku: str) -> bool:
        """Take the product off sale. False when it was off sale already."""
        deactivated = await tx.fetchval(
            """
            UPDATE products SET active = false, version = version + 1, updated_at = now()
            WHERE sku = $1 AND active RETURNING true
            """,
            sku,
        )
        return bool(deactivated)

    async def delete_product(self, tx: Transaction, sku: str) -> None:
        await tx.execute("DELETE FROM products WHERE sku = $1", sku)

    async def list_products(self, tx: Transaction, wanted: ProductFilter) -> list[Product]:
        """List products in order of id."""
        rows = await tx.fetch(
            """
            SELECT * FROM products
            WHERE sku > $1
              AND ($2::text IS NULL OR strpos(lower(sku), lower($2)) > 0
                   OR strpos(lower(name), lower($2)) > 0)
              AND active = coalesce($3::boolean, active)
            ORDER BY sku LIMIT $4
            """,
            wanted.after,
            wanted.q,
            wanted.active,
            wanted.limit,
        )
        return [_product(row) for row in rows]

    async def list_prices(self, tx: Transaction, skus: Sequence[str]) -> dict[str, PricedProduct]:
        """The names and prices of the products among `skus` that are on sale."""
        rows = await tx.fetch(
            """
            SELECT sku AS product_id, name, price_minor AS unit_price_minor, currency FROM products
            WHERE sku = ANY($1::text[]) AND active
            """,
            skus,
        )
        return {row["product_id"]: _PRICED.read(row) for row in rows}

    async def list_named(self, tx: Transaction, names: Sequence[str]) -> list[PricedProduct]:
        """The products on sale that have one of these names."""
        rows = await tx.fetch(
            """
            SELECT sku AS product_id, name, price_minor AS unit_price_minor, currency FROM products
            WHERE name = ANY($1::text[]) AND active
            """,
            names,
        )
        return [_PRICED.read(row) for row in rows]

    async def insert_warehouse(
        self, tx: Transaction, new: schemas.NewWarehouse
    ) -> Warehouse | None:
        """Insert a warehouse. None when one with this id exists."""
        row = await tx.fetchrow(
            """
            INSERT INTO warehouses (id, name, priority) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
            RETURNING id AS warehouse_id, name, priority, created_at
            """,
            new.warehouse_id,
            new.name,
            new.priority,
        )
        return _WAREHOUSE.read(row) if row else None

    async def find_warehouse(self, tx: Transaction, warehouse_id: str) -> Warehouse | None:
        row = await tx.fetchrow(
            "SELECT id AS warehouse_id, name, priority, created_at FROM warehouses WHERE id = $1",
            warehouse_id,
        )
        return _WAREHOUSE.read(row) if row else None

    async def list_warehouses(self, tx: Transaction, *, after: str, limit: int) -> list[Warehouse]:
        rows = await tx.fetch(
            """
            SELECT id AS warehouse_id, name, priority, created_at FROM warehouses
            WHERE id > $1 ORDER BY id LIMIT $2
            """,
            after,
            limit,
        )
        return [_WAREHOUSE.read(row) for row in rows]


def _product_values(body: schemas.ProductBody) -> tuple[object, ...]:
    price = body.price
    return (
        body.name,
        body.description,
        price.amount_minor,
        price.currency,
        body.active,
        body.low_stock_threshold,
    )


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
