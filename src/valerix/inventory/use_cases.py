"""What can be done with stock.

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
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.messaging.acts import act_of, list_acts_of_traces, record
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.acts import STOCK_ADJUSTED, STOCK_UPDATED, Actor
from valerix.contracts.commands import ReservationState, ReserveOutcome, ReserveStock
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, metrics, schemas
from valerix.inventory.domain import Cause, Ending, Initiator, Movement
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.reservations import OVERTAKEN, ReservationsRepository
from valerix.inventory.repository.stock import Level, StockRepository
from valerix.inventory.schemas import Adjusted, InventoryFilter, InventoryItem, StockUpdated

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
    act: Act | None
    """Set when staff move the stock of one order by hand."""


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

    async def reserve(
        self, commands: list[ReserveStock], actor: str, deadline: Deadline, act: Act | None = None
    ) -> list[ReserveOutcome]:
        """One outcome per command, each all or nothing. Raises DeadlineExceeded when there was no time to begin."""
        return await self.reserving.submit(Asked(commands, _origin(actor), deadline, act))

    async def end(
        self, endings: list[Ending], actor: str, deadline: Deadline, act: Act | None = None
    ) -> list[ReservationState]:
        """Release or commit what orders have reserved. Raises DeadlineExceeded when there was no time to begin."""
        return await self.ending.submit(Asked(endings, _origin(actor), deadline, act))

    async def _run(self, operation: str, work: Work[C, Out], lists: list[Asked[C]]) -> Sequence[list[Out] | Exception]:
        """One batch for all lists whose callers still wait."""
        waiting = [asked.deadline.remaining() > 0 for asked in lists]
        together = [(c, a.origin) for a, waits in zip(lists, waiting, strict=True) if waits for c in a.commands]
        acts = [a.act for a, waits in zip(lists, waiting, strict=True) if waits for _ in a.commands]
        run = partial(_with_acts, acts, work) if any(acts) else work
        with metrics.operation_seconds.labels(operation).time():
            done = await self._database.repeat(lambda lane: run(lane, together), OVERTAKEN)
        await COMMITTED[operation].passed()
        metrics.count_movements(done.kinds)
        metrics.count_outcomes(done.outcomes)
        outcomes = iter(done.outcomes)
        return [
            list(islice(outcomes, len(asked.commands))) if waits else DeadlineExceeded()
            for asked, waits in zip(lists, waiting, strict=True)
        ]

    # --- changes by hand

    async def adjust(self, body: schemas.AdjustBody, actor: str, by: Actor | None = None) -> Adjusted:
        """Correct the stock in one warehouse. Raises OutOfStock, UnknownProduct, UnknownWarehouse, KeyReused."""
        cause = Cause(domain.ADJUST, None, body.idempotency_key, body.reason, *_origin(actor))
        what = {"warehouseId": body.warehouse_id, "delta": body.delta, "reason": body.reason}
        act = act_of(by, STOCK_ADJUSTED, body.product_id, **what)

        async def work(tx: Transaction) -> tuple[Adjusted, list[Movement]]:
            await self._stock.open_shelf(tx, body.product_id, body.warehouse_id)
            offers = await self._stock.lock_offers(tx, [body.product_id])
            movements = domain.change(offers[body.product_id].at(body.warehouse_id), body.delta, cause)
            await self._stock.write(tx, movements)
            await record(tx, act)
            return _adjusted(movements[0]), movements

        answer, repeated = await self._change(body, cause, Adjusted, work)
        return msgspec.structs.replace(answer, idempotent=True) if repeated else answer

    async def update(self, body: schemas.UpdateBody, actor: str, by: Actor | None = None) -> StockUpdated:
        """Take out or bring in units, once per key for ever. Raises OutOfStock, UnknownProduct, KeyReused."""
        cause = Cause(domain.UPDATE, body.order_id, body.idempotency_key, None, *_origin(actor))
        act = act_of(by, STOCK_UPDATED, body.product_id, quantity=body.quantity, orderId=body.order_id)

        async def work(tx: Transaction) -> tuple[StockUpdated, list[Movement]]:
            offer = await self._offer_with_room(tx, body.product_id, needs_shelf=body.quantity > 0)
            before = offer.on_hand
            movements = domain.change(offer, body.quantity, cause)
            await self._stock.write(tx, movements)
            await record(tx, act)
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
        """The ledger of one product, latest first, with the acts of staff. Raises ProductNotFound."""
        async with self._database.connection() as lane:
            if await self._catalogue.find_product(lane, sku) is None:
                raise domain.ProductNotFound(sku)
            entries = await self._stock.list_movements(lane, sku, before=before, limit=limit)
            acts = await list_acts_of_traces(lane, [entry.trace_id for entry in entries])
        return [schemas.movement_view(entry, acts) for entry in entries]

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
            for order_id, state, movements, changed in ended:
                idempotent = not changed and state is not ReservationStatus.ABSENT
                outcomes[first[order_id]] = ReservationState(order_id, state, idempotent)
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


async def _with_acts(
    acts: Sequence[Act | None], work: Work[C, Out], lane: Connection, asked: list[tuple[C, Initiator]]
) -> Done[Out]:
    """The same work in one transaction with the acts of the commands that changed something."""
    async with lane.transaction():
        done = await work(lane, asked)
        for act, outcome in zip(acts, done.outcomes, strict=True):
            if domain.moved_stock(outcome):
                await record(lane, act)
        return done


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
