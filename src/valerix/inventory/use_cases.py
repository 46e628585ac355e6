"""What can be done with stock and the catalogue.

Reserving, releasing and committing are written once, over lists; a single request is a list of one. What arrives while
a batch is in the database becomes the next batch.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

import msgspec
from asyncpg.connection import Connection

from valerix.chassis.base import idempotency, telemetry
from valerix.chassis.base.deadline import Deadline, DeadlineExceeded
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.commands import PricedProduct, ReservationState, ReserveOutcome, ReserveStock
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, metrics, schemas
from valerix.inventory.domain import Cause, Ending, Initiator, Movement
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.reservations import OVERTAKEN, ReservationsRepository
from valerix.inventory.repository.stock import Level, StockRepository
from valerix.inventory.schemas import (
    Adjusted,
    InventoryFilter,
    InventoryItem,
    Product,
    ProductFilter,
    StockUpdated,
    Warehouse,
)

COMMITTING = Point("inventory.committing")
COMMITTED = {operation: Point(f"inventory.{operation}.committed") for operation in (domain.RESERVE, "end", "change")}
LANES = 3
MAX_LISTS = 8
"""Callers whose lists may share a transaction; each list has at most commands.MAX_COMMANDS."""
MAX_LEVELS = 2000
REPEATED = "Request already processed"
C = TypeVar("C")
Out = TypeVar("Out", bound=ReserveOutcome | ReservationState)
A = TypeVar("A", bound=msgspec.Struct)
Change = Callable[[Transaction], Awaitable[tuple[A, list[Movement]]]]


class Asked(NamedTuple, Generic[C]):
    """One caller's list."""

    commands: list[C]
    origin: Initiator
    deadline: Deadline


class Done(NamedTuple, Generic[Out]):
    """One outcome per command, and the kind of each movement this took."""

    outcomes: list[Out]
    kinds: list[str]


Work = Callable[[Connection, list[tuple[C, Initiator]]], Awaitable[Done[Out]]]


class Stock:
    """The use cases around stock."""

    def __init__(
        self,
        database: Database,
        stock: StockRepository,
        reservations: ReservationsRepository,
        catalogue: CatalogueRepository,
    ) -> None:
        self._database = database
        self._stock = stock
        self._reservations = reservations
        self._catalogue = catalogue
        self.reserving: Batcher[Asked[ReserveStock], list[ReserveOutcome]] = Batcher(
            partial(self._run, domain.RESERVE, self._reserve),
            name="reserve",
            max_concurrent_batches=LANES,
            max_batch=MAX_LISTS,
            impossible=IMPOSSIBLE,
        )
        self.ending: Batcher[Asked[Ending], list[ReservationState]] = Batcher(
            partial(self._run, "end", self._end),
            name="end",
            max_concurrent_batches=LANES,
            max_batch=MAX_LISTS,
            impossible=IMPOSSIBLE,
        )

    # --- orders

    async def reserve(self, commands: list[ReserveStock], actor: str, deadline: Deadline) -> list[ReserveOutcome]:
        """One outcome per command, each all or nothing. Raises DeadlineExceeded when there was no time to begin."""
        return await self.reserving.submit(Asked(commands, _origin(actor), deadline))

    async def end(self, endings: list[Ending], actor: str, deadline: Deadline) -> list[ReservationState]:
        """Release or commit what orders have reserved. Raises DeadlineExceeded when there was no time to begin."""
        return await self.ending.submit(Asked(endings, _origin(actor), deadline))

    async def _run(self, operation: str, work: Work[C, Out], lists: list[Asked[C]]) -> Sequence[list[Out] | Exception]:
        """One batch for all lists whose callers still wait."""
        waiting = [asked.deadline.remaining() > 0 for asked in lists]
        together = [(c, a.origin) for a, waits in zip(lists, waiting, strict=True) if waits for c in a.commands]
        with metrics.operation_seconds.labels(operation).time():
            done = await self._database.repeat(lambda lane: work(lane, together), OVERTAKEN)
        await COMMITTED[operation].passed()
        metrics.count_movements(done.kinds)
        metrics.count_outcomes(done.outcomes)
        outcomes = iter(done.outcomes)
        return [
            list(islice(outcomes, len(asked.commands))) if waits else DeadlineExceeded()
            for asked, waits in zip(lists, waiting, strict=True)
        ]

    # --- changes by hand

    async def adjust(self, body: schemas.AdjustBody, actor: str) -> Adjusted:
        """Correct the stock in one warehouse. Raises OutOfStock, UnknownProduct, UnknownWarehouse, KeyReused."""
        cause = Cause(domain.ADJUST, None, body.idempotency_key, body.reason, *_origin(actor))

        async def work(tx: Transaction) -> tuple[Adjusted, list[Movement]]:
            await self._stock.open_shelf(tx, body.product_id, body.warehouse_id)
            offers = await self._stock.lock_offers(tx, [body.product_id])
            movements = domain.change(offers[body.product_id].at(body.warehouse_id), body.delta, cause)
            await self._stock.write(tx, movements)
            return _adjusted(movements[0]), movements

        answer, repeated = await self._change(body, cause, Adjusted, work)
        return msgspec.structs.replace(answer, idempotent=True) if repeated else answer

    async def update(self, body: schemas.UpdateBody, actor: str) -> StockUpdated:
        """Take out or bring in units, once per key for ever. Raises OutOfStock, UnknownProduct, KeyReused."""
        cause = Cause(domain.UPDATE, body.order_id, body.idempotency_key, None, *_origin(actor))

        async def work(tx: Transaction) -> tuple[StockUpdated, list[Movement]]:
            offer = await self._offer_with_room(tx, body.product_id, needs_shelf=body.quantity > 0)
            before = offer.on_hand
            movements = domain.change(offer, body.quantity, cause)
            await self._stock.write(tx, movements)
            return StockUpdated(success=True, previous_stock=before, new_stock=offer.on_hand), movements

        answer, repeated = await self._change(body, cause, StockUpdated, work)
        return msgspec.structs.replace(answer, idempotent=True, message=REPEATED) if repeated else answer

    async def _change(self, body: object, cause: Cause, kind: type[A], work: Change[A]) -> tuple[A, bool]:
        """Run a change, under a key only once; True when the answer is the one of an earlier request."""
        with metrics.operation_seconds.labels(cause.kind).time():
            if cause.idempotency_key is None:
                answer, movements = await self._database.retry(work)
                repeated = False
            else:
                lookup = idempotency.lookup_key(cause.actor, "POST", cause.kind, cause.idempotency_key)
                once = partial(self._once, lookup, idempotency.fingerprint(body), kind, work)
                answer, movements, repeated = await self._database.repeat(once)
        await COMMITTED["change"].passed()
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

    # --- inside a lane

    async def _reserve(self, lane: Connection, asked: list[tuple[ReserveStock, Initiator]]) -> Done[ReserveOutcome]:
        """All at once when everything is there for everybody, as it mostly is; otherwise one by one."""
        if claims := domain.claims(asked):
            await COMMITTING.passed()
            if sources := await self._reservations.take(lane, claims):
                return Done(domain.reserved(asked, sources), [domain.RESERVE] * len(claims))
        return await self._settle(lane, asked)

    async def _settle(self, lane: Connection, asked: list[tuple[ReserveStock, Initiator]]) -> Done[ReserveOutcome]:
        # Text that cannot be an id is not looked for: one bad id must not make the statement fail for its neighbours.
        skus = {line.product_id for command, _ in asked for line in command.lines if domain.is_sku(line.product_id)}
        async with lane.transaction():
            offers = await self._stock.lock_offers(lane, list(skus))
            known = await self._reservations.find_reservations(lane, [command.order_id for command, _ in asked])
            settlement = domain.reserve(asked, offers, known)
            if settlement.opened:
                await self._stock.write(lane, settlement.movements, settlement.opened)
            await COMMITTING.passed()
        return Done(settlement.outcomes, [movement.kind for movement in settlement.movements])

    async def _end(self, lane: Connection, asked: list[tuple[Ending, Initiator]]) -> Done[ReservationState]:
        outcomes: dict[int, ReservationState] = {}
        kinds: list[str] = []
        while left := [place for place in range(len(asked)) if place not in outcomes]:
            first = {asked[place][0].order_id: place for place in reversed(left)}  # of those that name the same order
            await COMMITTING.passed()
            ended = await self._reservations.end(lane, [asked[place] for place in first.values()])
            for order_id, state, movements, changed, held in ended:
                idempotent = not changed and state is not ReservationStatus.ABSENT
                outcomes[first[order_id]] = ReservationState(order_id, state, idempotent, empty=not held)
                kinds += [domain.STEP_TO[state]] * movements if movements else []
        return Done([outcomes[place] for place in range(len(asked))], kinds)

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
        cause = Cause(domain.RECEIVE, None, None, "initial stock", *_origin(actor))

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


def _origin(actor: str) -> Initiator:
    return Initiator(actor, telemetry.trace_id.get())


def _adjusted(movement: Movement) -> Adjusted:
    available = movement.on_hand_after - movement.reserved_after
    return Adjusted(
        movement.sku,
        movement.warehouse_id,
        movement.on_hand_after,
        movement.reserved_after,
        available,
        movement.seq,
    )
