"""What can be done by hand with stock and the catalogue, and what people read of them."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from valerix.chassis.base import idempotency
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.chaos.points import Point
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.commands import PricedProduct
from valerix.inventory import domain, metrics, schemas
from valerix.inventory.domain import Cause, Movement, Shelf
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.stock import Level, StockRepository
from valerix.inventory.reserving import initiator
from valerix.inventory.schemas import (
    Adjusted,
    InventoryFilter,
    InventoryItem,
    Product,
    ProductFilter,
    StockUpdated,
    Warehouse,
)
from valerix.inventory.waiting_list import Overtaken, WaitingList

COMMITTED = Point("inventory.change.committed")
MAX_LEVELS = 2000
REPEATED = "Request already processed"
A = TypeVar("A", bound=msgspec.Struct)
Change = Callable[[Transaction], Awaitable[tuple[A, list[Movement]]]]


class Stock:
    """The use cases around stock."""

    def __init__(
        self, database: Database, stock: StockRepository, catalogue: CatalogueRepository, waiting: WaitingList
    ) -> None:
        self._database = database
        self._stock = stock
        self._catalogue = catalogue
        self._waiting = waiting

    # --- changes by hand

    async def adjust(self, body: schemas.AdjustBody, actor: str) -> Adjusted:
        """Correct the stock in one warehouse. Raises OutOfStock, UnknownProduct, UnknownWarehouse, KeyReused."""
        cause = Cause(domain.ADJUST, None, body.idempotency_key, body.reason, *initiator(actor))

        async def work(tx: Transaction) -> tuple[Adjusted, list[Movement]]:
            await self._stock.open_shelf(tx, body.product_id, body.warehouse_id)
            offer = (await self._stock.lock_offers(tx, [body.product_id]))[body.product_id]
            there = offer.at(body.warehouse_id)
            movements = await self._write(tx, offer, domain.change(there, body.delta, cause), cause)
            return _adjusted(there.shelves[0]), movements

        answer, repeated = await self._change(body, cause, Adjusted, work)
        return msgspec.structs.replace(answer, idempotent=True) if repeated else answer

    async def update(self, body: schemas.UpdateBody, actor: str) -> StockUpdated:
        """Take out or bring in units, once per key for ever. Raises OutOfStock, UnknownProduct, KeyReused."""
        cause = Cause(domain.UPDATE, body.order_id, body.idempotency_key, None, *initiator(actor))

        async def work(tx: Transaction) -> tuple[StockUpdated, list[Movement]]:
            offer = await self._offer_with_room(tx, body.product_id, needs_shelf=body.quantity > 0)
            before = offer.on_hand
            movements = await self._write(tx, offer, domain.change(offer, body.quantity, cause), cause)
            return StockUpdated(success=True, previous_stock=before, new_stock=offer.on_hand), movements

        answer, repeated = await self._change(body, cause, StockUpdated, work)
        return msgspec.structs.replace(answer, idempotent=True, message=REPEATED) if repeated else answer

    async def _change(self, body: object, cause: Cause, kind: type[A], work: Change[A]) -> tuple[A, bool]:
        """Run a change, under a key only once; True when the answer is the one of an earlier request."""
        with metrics.operation_seconds.labels(cause.kind).time():
            if cause.idempotency_key is None:
                answer, movements = await self._database.retry(work, (Overtaken,))
                repeated = False
            else:
                lookup = idempotency.lookup_key(cause.actor, "POST", cause.kind, cause.idempotency_key)
                once = partial(self._once, lookup, idempotency.fingerprint(body), kind, work)
                answer, movements, repeated = await self._database.repeat(once, (Overtaken,))
        await COMMITTED.passed()
        metrics.count_movements(movement.kind for movement in movements)
        return answer, repeated

    # --- reading

    async def get_inventory(self, sku: str) -> InventoryItem:
        """Raises ProductNotFound."""
        async with self._database.connection() as lane:
            item = await self._stock.find_inventory(lane, sku)
        if item is None:
            raise domain.ProductNotFound(sku)
        return item

    async def list_inventory(self, asked: InventoryFilter) -> list[InventoryItem]:
        """Stock by product."""
        async with self._database.connection() as lane:
            return await self._stock.list_inventory(lane, asked)

    async def list_movements(self, sku: str, before: schemas.Position | None, limit: int) -> list[schemas.MovementView]:
        """The ledger of one product, latest first. Raises ProductNotFound."""
        async with self._database.connection() as lane:
            if await self._catalogue.find_product(lane, sku) is None:
                raise domain.ProductNotFound(sku)
            return await self._stock.list_movements(lane, sku, before=before, limit=limit)

    async def levels(self) -> tuple[list[Level], int]:
        """The first MAX_LEVELS stock rows, and how many products are low."""
        async with self._database.connection() as lane:
            return await self._stock.list_stock_levels(lane, MAX_LEVELS), await self._stock.count_low_stock(lane)

    # --- inside a transaction

    async def _write(
        self, tx: Transaction, offer: domain.Offer, movements: list[Movement], cause: Cause
    ) -> list[Movement]:
        """Write the movements, and what they bring to those that wait for it."""
        if offer.available > 0:
            movements += await self._waiting.serve(tx, {offer.product.product_id: offer}, cause.initiator)
        await self._stock.write(tx, movements)
        return movements

    async def _once(
        self, lookup: bytes, fingerprint: bytes, kind: type[A], work: Change[A], lane: Transaction
    ) -> tuple[A, list[Movement], bool]:
        async with lane.transaction():
            if not await self._stock.claim_key(lane, lookup):
                raise KeyInFlight
            first = await self._stock.find_keyed_change(lane, lookup)
            if first is None:
                answer, movements = await work(lane)
                await self._stock.insert_keyed_change(lane, lookup, fingerprint, answer)
                return answer, movements, False
        if first.fingerprint != fingerprint:
            raise KeyReused
        return msgspec.convert(first.answer, kind), [], True

    async def _offer_with_room(self, tx: Transaction, sku: str, *, needs_shelf: bool) -> domain.Offer:
        """The locked product; with a shelf in the first warehouse if it has none and needs one."""
        offers = await self._stock.lock_offers(tx, [sku])
        if sku not in offers:
            raise domain.UnknownProducts([sku])
        if offers[sku].shelves or not needs_shelf:
            return offers[sku]
        warehouse_id = await self._stock.find_first_warehouse(tx)
        if warehouse_id is None:
            raise domain.NoWarehouse
        await self._stock.open_shelf(tx, sku, warehouse_id)
        return (await self._stock.lock_offers(tx, [sku]))[sku]


class Catalogue:
    """The use cases around products and warehouses."""

    def __init__(self, database: Database, catalogue: CatalogueRepository, stock: StockRepository) -> None:
        self._database = database
        self._catalogue = catalogue
        self._stock = stock

    async def create_product(self, new: schemas.NewProduct, actor: str) -> Product:
        """Raises ProductExists, UnknownWarehouse."""
        cause = Cause(domain.RECEIVE, None, None, "initial stock", *initiator(actor))

        async def work(tx: Transaction) -> tuple[Product, list[Movement]]:
            product = await self._catalogue.insert_product(tx, new)
            if product is None:
                raise domain.ProductExists(new.product_id)
            return product, await self._receive(tx, new, cause)

        product, movements = await self._database.retry(work)
        metrics.count_movements(movement.kind for movement in movements)
        return product

    async def replace_product(self, sku: str, body: schemas.ProductBody, expected_version: int | None) -> Product:
        """Raises ProductNotFound, VersionConflict."""
        async with self._database.connection() as lane:
            product = await self._catalogue.update_product(lane, sku, body, expected_version)
        if product is None:
            raise VersionConflict((await self.get_product(sku)).version)
        return product

    async def delete_product(self, sku: str) -> None:
        """Remove it, or only stop selling it when it was ever in stock: its ledger stays. Raises ProductNotFound."""

        async def work(tx: Transaction) -> None:
            if not await self._catalogue.lock_product(tx, sku):
                raise domain.ProductNotFound(sku)
            if await self._catalogue.has_stock_rows(tx, sku):
                await self._catalogue.deactivate_product(tx, sku)
            else:
                await self._catalogue.delete_product(tx, sku)

        await self._database.retry(work)

    async def get_product(self, sku: str) -> Product:
        """Raises ProductNotFound."""
        async with self._database.connection() as lane:
            product = await self._catalogue.find_product(lane, sku)
        if product is None:
            raise domain.ProductNotFound(sku)
        return product

    async def prices(self, skus: Sequence[str]) -> list[PricedProduct | None]:
        """Name and price of each; None for what is not sold. Text that cannot be an id is not looked for."""
        async with self._database.connection() as lane:
            found = await self._catalogue.list_prices(lane, [sku for sku in skus if domain.is_sku(sku)])
        return [found.get(sku) for sku in skus]

    async def find(self, names: Sequence[str]) -> list[PricedProduct | None]:
        """By number or, where there is no such number, by exact name; None also when several have it."""
        found = await self.prices(names)
        rest = [name for name, product in zip(names, found, strict=True) if product is None]
        async with self._database.connection() as lane:
            named = await self._catalogue.list_named(lane, rest) if rest else []
        alone = {p.name: p for p in named if sum(other.name == p.name for other in named) == 1}
        return [product or alone.get(name) for name, product in zip(names, found, strict=True)]

    async def list_products(self, asked: ProductFilter) -> list[Product]:
        """Products by id."""
        async with self._database.connection() as lane:
            return await self._catalogue.list_products(lane, asked)

    async def create_warehouse(self, new: schemas.NewWarehouse) -> Warehouse:
        """Raises WarehouseExists."""
        async with self._database.connection() as lane:
            warehouse = await self._catalogue.insert_warehouse(lane, new)
        if warehouse is None:
            raise domain.WarehouseExists(new.warehouse_id)
        return warehouse

    async def list_warehouses(self, *, after: str, limit: int) -> list[Warehouse]:
        async with self._database.connection() as lane:
            return await self._catalogue.list_warehouses(lane, after=after, limit=limit)

    async def _receive(self, tx: Transaction, new: schemas.NewProduct, cause: Cause) -> list[Movement]:
        for initial in new.initial_stock:
            await self._stock.open_shelf(tx, new.product_id, initial.warehouse_id)
        offer = (await self._stock.lock_offers(tx, [new.product_id]))[new.product_id]
        movements = [
            movement
            for initial in new.initial_stock
            for movement in domain.change(offer.at(initial.warehouse_id), initial.quantity, cause)
        ]
        if movements:
            await self._stock.write(tx, movements)
        return movements


def _adjusted(shelf: Shelf) -> Adjusted:
    return Adjusted(shelf.sku, shelf.warehouse_id, shelf.on_hand, shelf.reserved, shelf.available, shelf.version)
