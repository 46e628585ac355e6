"""Creates, changes and reads products and warehouses."""

from collections.abc import Sequence
from functools import partial

import msgspec

from valerix.chassis.base import telemetry
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.messaging.acts import act_of, detailed, record, recorded
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.acts import (
    PRODUCT_CREATED,
    PRODUCT_DELETED,
    PRODUCT_REPLACED,
    WAREHOUSE_CREATED,
    Actor,
)
from valerix.contracts.commands import PricedProduct
from valerix.inventory import domain, metrics, schemas
from valerix.inventory.domain import Cause, Initiator, Movement
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.stock import StockRepository
from valerix.inventory.schemas import Product, ProductFilter, Warehouse
from valerix.inventory.waiting_list import Overtaken, WaitingList


class Catalogue:
    """The use cases of products and warehouses."""

    def __init__(
        self,
        database: Database,
        catalogue: CatalogueRepository,
        stock: StockRepository,
        waiting: WaitingList,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._stock = stock
        self._waiting = waiting

    async def create_product(
        self, new: schemas.NewProduct, actor: str, by: Actor | None = None
    ) -> Product:
        """Create a product with its initial stock. Raises ProductExists, UnknownWarehouse."""
        cause = Cause(domain.RECEIVE, None, None, "initial stock", actor, telemetry.trace_id.get())
        act = act_of(
            by, PRODUCT_CREATED, new.product_id, name=new.name, price=msgspec.to_builtins(new.price)
        )

        async def work(tx: Transaction) -> tuple[Product, list[Movement]]:
            product = await self._catalogue.insert_product(tx, new)
            if product is None:
                raise domain.ProductExists(new.product_id)
            await record(tx, act)
            return product, await self._receive(tx, new, cause)

        product, movements = await self._database.retry(work)
        metrics.count_movements(movement.kind for movement in movements)
        return product

    async def replace_product(
        self,
        sku: str,
        body: schemas.ProductBody,
        expected_version: int | None,
        by: Actor | None = None,
    ) -> Product:
        """Replace a product. Put on sale again, its units go to the orders that wait for them.

        Raises ProductNotFound, VersionConflict.
        """
        act = act_of(by, PRODUCT_REPLACED, sku)
        origin = Initiator(by.id if by else "", telemetry.trace_id.get())

        async def work(tx: Transaction) -> tuple[Product | None, list[Movement]]:
            await self._catalogue.lock_product(tx, sku)
            before = await self._catalogue.find_product(tx, sku)
            product = await self._catalogue.update_product(tx, sku, body, expected_version)
            if (
                before is not None
                and product is not None
                and (changed := schemas.differences(before, product))
            ):
                await record(tx, detailed(act, changed=changed))
            if before is None or product is None or before.active or not product.active:
                return product, []
            movements = await self._waiting.serve(
                tx, await self._stock.lock_offers(tx, [sku]), origin
            )
            await self._stock.write(tx, movements)
            return product, movements

        product, movements = await self._database.retry(work, (Overtaken,))
        if product is None:
            raise VersionConflict((await self.get_product(sku)).version)
        metrics.count_movements(movement.kind for movement in movements)
        return product

    async def delete_product(self, sku: str, by: Actor | None = None) -> None:
        """Remove a product, or only stop selling it when it was ever in stock: its ledger stays.

        Raises ProductNotFound.
        """
        act = act_of(by, PRODUCT_DELETED, sku)

        async def work(tx: Transaction) -> None:
            if not await self._catalogue.lock_product(tx, sku):
                raise domain.ProductNotFound(sku)
            if not await self._catalogue.has_stock_rows(tx, sku):
                await self._catalogue.delete_product(tx, sku)
                await record(tx, act)
            elif await self._catalogue.deactivate_product(tx, sku):
                await record(tx, detailed(act, kept="its stock has a history"))

        await self._database.retry(work)

    async def get_product(self, sku: str) -> Product:
        """Raises ProductNotFound."""
        async with self._database.connection() as connection:
            product = await self._catalogue.find_product(connection, sku)
        if product is None:
            raise domain.ProductNotFound(sku)
        return product

    async def prices(self, skus: Sequence[str]) -> list[PricedProduct | None]:
        """Name and price of each product; None for a product that is not sold.

        Text that cannot be an id is not looked up.
        """
        async with self._database.connection() as connection:
            found = await self._catalogue.list_prices(
                connection, [sku for sku in skus if domain.is_sku(sku)]
            )
        return [found.get(sku) for sku in skus]

    async def find(self, names: Sequence[str]) -> list[PricedProduct | None]:
        """Find products by number or, where no product has that number, by exact name.

        None also when several products have the name.
        """
        found = await self.prices(names)
        rest = [name for name, product in zip(names, found, strict=True) if product is None]
        async with self._database.connection() as connection:
            named = await self._catalogue.list_named(connection, rest) if rest else []
        alone = {p.name: p for p in named if sum(other.name == p.name for other in named) == 1}
        return [product or alone.get(name) for name, product in zip(names, found, strict=True)]

    async def list_products(self, wanted: ProductFilter) -> list[Product]:
        """List products in order of id."""
        async with self._database.connection() as connection:
            return await self._catalogue.list_products(connection, wanted)

    async def create_warehouse(
        self, new: schemas.NewWarehouse, by: Actor | None = None
    ) -> Warehouse:
        """Create an empty warehouse. Raises WarehouseExists."""
        act = act_of(by, WAREHOUSE_CREATED, new.warehouse_id, name=new.name, priority=new.priority)
        async with self._database.connection() as connection:
            warehouse = await recorded(
                connection, act, partial(self._catalogue.insert_warehouse, connection, new)
            )
        if warehouse is None:
            raise domain.WarehouseExists(new.warehouse_id)
        return warehouse

    async def get_warehouse(self, warehouse_id: str) -> Warehouse:
        """Raises WarehouseNotFound."""
        async with self._database.connection() as connection:
            warehouse = await self._catalogue.find_warehouse(connection, warehouse_id)
        if warehouse is None:
            raise domain.WarehouseNotFound(warehouse_id)
        return warehouse

    async def list_warehouses(self, *, after: str, limit: int) -> list[Warehouse]:
        async with self._database.connection() as connection:
            return await self._catalogue.list_warehouses(connection, after=after, limit=limit)

    async def _receive(
        self, tx: Transaction, new: schemas.NewProduct, cause: Cause
    ) -> list[Movement]:
        for initial in new.initial_stock:
            await self._stock.open_shelf(tx, new.product_id, initial.warehouse_id)
        offer = (await self._stock.lock_offers(tx, [new.product_id]))[new.product_id]
        movements = [
            movement
            for initial in new.initial_stock
            for movement in domain.change(offer.at(initial.warehouse_id), initial.quantity, cause)
        ]
        await self._stock.write(tx, movements)
        return movements
