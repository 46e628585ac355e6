"""Changes stock by hand, and reads it for the API."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import msgspec

from valerix.chassis.base import idempotency
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.chassis.base.problems import Invalid
from valerix.chassis.chaos.points import Point
from valerix.chassis.messaging.acts import act_of, list_acts_of_traces, record
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.acts import STOCK_ADJUSTED, STOCK_UPDATED, Actor
from valerix.inventory import domain, metrics, schemas
from valerix.inventory.domain import Cause, Movement, Shelf
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.stock import Level, StockRepository
from valerix.inventory.reserving import initiator
from valerix.inventory.schemas import Adjusted, InventoryFilter, InventoryItem, StockUpdated
from valerix.inventory.waiting_list import Overtaken, WaitingList

COMMITTED = Point("inventory.change.committed")
MAX_LEVELS = 2000
REPEATED = "Request already processed"
A = TypeVar("A", bound=msgspec.Struct)
Change = Callable[[Transaction], Awaitable[tuple[A, list[Movement]]]]


class Stock:
    """The use cases of stock."""

    def __init__(
        self,
        database: Database,
        stock: StockRepository,
        catalogue: CatalogueRepository,
        waiting: WaitingList,
    ) -> None:
        self._database = database
        self._stock = stock
        self._catalogue = catalogue
        self._waiting = waiting

    # --- changes by hand

    async def adjust(
        self,
        body: schemas.AdjustBody,
        actor: str,
        by: Actor | None = None,
        refusal: Invalid | None = None,
    ) -> Adjusted:
        """Correct the stock of a product in one warehouse.

        With a `refusal`, only a repeated request is answered; any other raises the refusal. Raises
        OutOfStock, UnknownProducts, UnknownWarehouse, KeyInFlight, KeyReused.
        """
        cause = Cause(domain.ADJUST, None, body.idempotency_key, body.reason, *initiator(actor))
        what = {"warehouseId": body.warehouse_id, "delta": body.delta, "reason": body.reason}
        act = act_of(by, STOCK_ADJUSTED, body.product_id, **what)

        async def work(tx: Transaction) -> tuple[Adjusted, list[Movement]]:
            await self._stock.open_shelf(tx, body.product_id, body.warehouse_id)
            offer = (await self._stock.lock_offers(tx, [body.product_id]))[body.product_id]
            there = offer.at(body.warehouse_id)
            movements = await self._write(tx, offer, domain.change(there, body.delta, cause), cause)
            await record(tx, act)
            return _adjusted(there.shelves[0]), movements

        answer, repeated = await self._change(body, cause, Adjusted, _unless(refusal, work))
        return msgspec.structs.replace(answer, idempotent=True) if repeated else answer

    async def update(
        self,
        body: schemas.UpdateBody,
        actor: str,
        by: Actor | None = None,
        refusal: Invalid | None = None,
    ) -> StockUpdated:
        """Take out or bring in units, once per key forever. `refusal`: see adjust.

        Raises OutOfStock, UnknownProducts, NoWarehouse, KeyInFlight, KeyReused.
        """
        cause = Cause(domain.UPDATE, body.order_id, body.idempotency_key, None, *initiator(actor))
        act = act_of(
            by, STOCK_UPDATED, body.product_id, quantity=body.quantity, orderId=body.order_id
        )

        async def work(tx: Transaction) -> tuple[StockUpdated, list[Movement]]:
            offer = await self._offer_with_shelf(tx, body.product_id, needs_shelf=body.quantity > 0)
            before = offer.on_hand
            movements = await self._write(
                tx, offer, domain.change(offer, body.quantity, cause), cause
            )
            await record(tx, act)
            return StockUpdated(
                success=True, previous_stock=before, new_stock=offer.on_hand
            ), movements

        answer, repeated = await self._change(body, cause, StockUpdated, _unless(refusal, work))
        return (
            msgspec.structs.replace(answer, idempotent=True, message=REPEATED)
            if repeated
            else answer
        )

    async def _change(
        self, body: object, cause: Cause, kind: type[A], work: Change[A]
    ) -> tuple[A, bool]:
        """Run a change, under a key only once. True: the answer is that of an earlier request."""
        with metrics.operation_seconds.labels(cause.kind).time():
            if cause.idempotency_key is None:
                answer, movements = await self._database.retry(work, (Overtaken,))
                repeated = False
            else:
                lookup = idempotency.lookup_key(
                    cause.actor, "POST", cause.kind, cause.idempotency_key
                )
                once = partial(self._once, lookup, idempotency.fingerprint(body), kind, work)
                answer, movements, repeated = await self._database.repeat(once, (Overtaken,))
        await COMMITTED.passed()
        metrics.count_movements(movement.kind for movement in movements)
        return answer, repeated

    # --- reading

    async def get_inventory(self, sku: str) -> InventoryItem:
        """Raises ProductNotFound."""
        async with self._database.connection() as connection:
            item = await self._stock.find_inventory(connection, sku)
        if item is None:
            raise domain.ProductNotFound(sku)
        return item

    async def list_inventory(self, wanted: InventoryFilter) -> list[InventoryItem]:
        """List stock in order of product id."""
        async with self._database.connection() as connection:
            return await self._stock.list_inventory(connection, wanted)

    async def list_movements(
        self, sku: str, before: schemas.Position | None, limit: int
    ) -> list[schemas.MovementView]:
        """List the ledger of one product, latest first, with the acts of staff.

        Raises ProductNotFound.
        """
        async with self._database.connection() as connection:
            if await self._catalogue.find_product(connection, sku) is None:
                raise domain.ProductNotFound(sku)
            entries = await self._stock.list_movements(connection, sku, before=before, limit=limit)
            acts = await list_acts_of_traces(connection, [entry.trace_id for entry in entries])
        return [schemas.movement_view(entry, acts) for entry in entries]

    async def levels(self) -> tuple[list[Level], int]:
        """The first MAX_LEVELS stock rows, and the number of products low in stock."""
        async with self._database.connection() as connection:
            return await self._stock.list_stock_levels(
                connection, MAX_LEVELS
            ), await self._stock.count_low_stock(connection)

    # --- inside a transaction

    async def _write(
        self, tx: Transaction, offer: domain.Offer, movements: list[Movement], cause: Cause
    ) -> list[Movement]:
        """Write the movements, and set available units aside for the orders that wait for them."""
        if offer.available > 0:
            movements += await self._waiting.serve(
                tx, {offer.product.product_id: offer}, cause.initiator
            )
        await self._stock.write(tx, movements)
        return movements

    async def _once(
        self,
        lookup: bytes,
        fingerprint: bytes,
        kind: type[A],
        work: Change[A],
        connection: Transaction,
    ) -> tuple[A, list[Movement], bool]:
        async with connection.transaction():
            if not await self._stock.claim_key(connection, lookup):
                raise KeyInFlight
            first = await self._stock.find_keyed_change(connection, lookup)
            if first is None:
                answer, movements = await work(connection)
                await self._stock.insert_keyed_change(connection, lookup, fingerprint, answer)
                return answer, movements, False
        if first.fingerprint != fingerprint:
            raise KeyReused
        return msgspec.convert(first.answer, kind), [], True

    async def _offer_with_shelf(
        self, tx: Transaction, sku: str, *, needs_shelf: bool
    ) -> domain.Offer:
        """Lock the product. Open a shelf in the first warehouse if it has none and needs one.

        Raises UnknownProducts, NoWarehouse.
        """
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


def _adjusted(shelf: Shelf) -> Adjusted:
    return Adjusted(
        shelf.sku, shelf.warehouse_id, shelf.on_hand, shelf.reserved, shelf.available, shelf.version
    )


def _unless(refusal: Invalid | None, work: Change[A]) -> Change[A]:
    async def refuse(_: Transaction) -> tuple[A, list[Movement]]:
        assert refusal is not None  # noqa: S101 - checked below
        raise refusal

    return work if refusal is None else refuse
