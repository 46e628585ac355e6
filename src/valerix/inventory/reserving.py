"""The operations of orders on stock: reserve, release, commit, and wait for it.

Everything is written once, over lists; a single request is a list of one. Requests that arrive
while a batch is in the database become the next batch.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec
from asyncpg.connection import Connection

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import Deadline, DeadlineExceeded
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.messaging.acts import recorded_all
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.commands import ReservationState, ReserveOutcome, ReserveStock
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, metrics
from valerix.inventory.domain import Ending, Initiator, Movement
from valerix.inventory.repository.reservations import OVERTAKEN, ReservationsRepository
from valerix.inventory.repository.stock import StockRepository
from valerix.inventory.settling import settle
from valerix.inventory.waiting import GIVE_UP
from valerix.inventory.waiting_list import Overtaken, WaitingList

COMMITTING = Point("inventory.committing")
COMMITTED: Final = {
    operation: Point(f"inventory.{operation}.committed") for operation in (domain.RESERVE, "end")
}
BATCHES = 3
MAX_LISTS = 8
"""Maximum number of callers' lists in one transaction; each has at most commands.MAX_COMMANDS."""
SWEEP_LIMIT: Final = 100
C = TypeVar("C")
Out = TypeVar("Out", bound=ReserveOutcome | ReservationState)


class CallerList(NamedTuple, Generic[C]):
    """The commands of one caller."""

    commands: list[C]
    origin: Initiator
    deadline: Deadline
    act: Act | None
    """Set when staff move the stock of one order by hand."""


class BatchResult(NamedTuple, Generic[Out]):
    """One outcome per command, and the kind of each movement written for them."""

    outcomes: list[Out]
    kinds: list[str]


Work = Callable[[Connection, list[tuple[C, Initiator]]], Awaitable[BatchResult[Out]]]


class Reserving:
    """The use cases of the orders service."""

    def __init__(
        self,
        database: Database,
        stock: StockRepository,
        reservations: ReservationsRepository,
        waiting: WaitingList,
        hold: timedelta,
    ) -> None:
        """`hold`: how long units stay set aside for an order that lacks others, while they could
        complete another order.
        """
        self._database = database
        self._stock = stock
        self._reservations = reservations
        self._waiting = waiting
        self._hold = hold
        self.reserving: Batcher[CallerList[ReserveStock], list[ReserveOutcome]] = Batcher(
            partial(self._run, domain.RESERVE, self._reserve),
            name="reserve",
            max_concurrent_batches=BATCHES,
            max_batch=MAX_LISTS,
            impossible=IMPOSSIBLE,
        )
        self.ending: Batcher[CallerList[Ending], list[ReservationState]] = Batcher(
            partial(self._run, "end", self._end),
            name="end",
            max_concurrent_batches=BATCHES,
            max_batch=MAX_LISTS,
            impossible=IMPOSSIBLE,
        )

    async def reserve(
        self, commands: list[ReserveStock], actor: str, deadline: Deadline, act: Act | None = None
    ) -> list[ReserveOutcome]:
        """Reserve stock: one outcome per command, each all or nothing.

        Raises DeadlineExceeded when the time was up before the work began.
        """
        return await self.reserving.submit(CallerList(commands, initiator(actor), deadline, act))

    async def end(
        self, endings: list[Ending], actor: str, deadline: Deadline, act: Act | None = None
    ) -> list[ReservationState]:
        """Release or commit reservations. A released order leaves the waiting list.

        Raises DeadlineExceeded when the time was up before the work began.
        """
        return await self.ending.submit(CallerList(endings, initiator(actor), deadline, act))

    async def sweep(self, actor: str) -> None:
        """Pass on units that were set aside for too long; serve orders that wait despite stock."""
        origin = initiator(actor)

        async def pass_on(order_id: str, tx: Transaction) -> list[Movement]:
            movements = await self._waiting.pass_on(tx, order_id, origin)
            await self._stock.write(tx, movements)
            return movements

        async def serve(sku: str, tx: Transaction) -> list[Movement]:
            movements = await self._waiting.serve(
                tx, await self._stock.lock_offers(tx, [sku]), origin
            )
            await self._stock.write(tx, movements)
            return movements

        after = ""
        while holders := await self._list_holders(after):
            for order_id in holders:
                await self._sweep_one(partial(pass_on, order_id))
            after = holders[-1]
        async with self._database.connection() as connection:
            unserved = await self._waiting.list_unserved(connection, SWEEP_LIMIT)
        for sku in unserved:
            await self._sweep_one(partial(serve, sku))

    async def _list_holders(self, after: str) -> list[str]:
        async with self._database.connection() as connection:
            return await self._waiting.list_holding_for(connection, self._hold, after, SWEEP_LIMIT)

    async def _sweep_one(self, work: Callable[[Transaction], Awaitable[list[Movement]]]) -> None:
        movements = await self._database.retry(work, (Overtaken,))
        metrics.count_movements(movement.kind for movement in movements)

    async def _run(
        self, operation: str, work: Work[C, Out], lists: list[CallerList[C]]
    ) -> Sequence[list[Out] | Exception]:
        """Run one batch for all lists within their deadline; the others get DeadlineExceeded."""
        waiting = [one.deadline.remaining() > 0 for one in lists]
        together = [
            (c, a.origin)
            for a, waits in zip(lists, waiting, strict=True)
            if waits
            for c in a.commands
        ]
        acts = [a.act for a, waits in zip(lists, waiting, strict=True) if waits for _ in a.commands]
        with metrics.operation_seconds.labels(operation).time():
            done = await self._database.repeat(
                partial(_with_acts, acts, work, commands=together), OVERTAKEN
            )
        await COMMITTED[operation].passed()
        metrics.count_movements(done.kinds)
        metrics.count_outcomes(done.outcomes)
        outcomes = iter(done.outcomes)
        return [
            list(islice(outcomes, len(one.commands))) if waits else DeadlineExceeded()
            for one, waits in zip(lists, waiting, strict=True)
        ]

    # --- on one connection

    async def _reserve(
        self, connection: Connection, commands: list[tuple[ReserveStock, Initiator]]
    ) -> BatchResult[ReserveOutcome]:
        """Reserve all at once when there is enough for all, as usual; otherwise one by one."""
        if claims := domain.claims(commands):
            await COMMITTING.passed()
            if sources := await self._reservations.take(connection, claims):
                return BatchResult(
                    domain.reserved(commands, sources), [domain.RESERVE] * len(claims)
                )
        return await self._settle(connection, commands)

    async def _settle(
        self,
        connection: Connection,
        commands: list[tuple[ReserveStock, Initiator]],
        besides: frozenset[str] = frozenset(),
    ) -> BatchResult[ReserveOutcome]:
        """Settle the commands one by one, with their stock locked.

        `besides`: further products that these orders wait for, according to the waiting list.
        """
        # Text that cannot be an id is not looked up: one bad id must not fail the whole batch.
        skus = {
            line.product_id
            for command, _ in commands
            for line in command.lines
            if domain.is_sku(line.product_id)
        }
        ids = [command.order_id for command, _ in commands]
        waited_for = {
            line.product_id
            for command, _ in commands
            if command.waits_since
            for line in command.lines
        } & skus
        wanted = Counter(dict.fromkeys(waited_for | besides, 0))
        for line in (
            line for command, _ in commands for line in command.lines if line.product_id in wanted
        ):
            wanted[line.product_id] += line.quantity
        try:
            async with connection.transaction():
                offers = await self._stock.lock_offers(connection, list(skus | besides))
                known = await self._reservations.find_reservations(connection, ids)
                waiting = await self._waiting.lock(connection, wanted, offers, ids)
                settlement = settle(commands, offers, known, waiting)
                await self._waiting.save(connection, waiting.values(), settlement.served)
                await self._stock.write(connection, settlement.movements, settlement.opened)
                await COMMITTING.passed()
        except Overtaken as others:
            return await self._settle(connection, commands, besides | others.skus)
        return BatchResult(
            settlement.outcomes, [movement.kind for movement in settlement.movements]
        )

    async def _end(
        self,
        connection: Connection,
        commands: list[tuple[Ending, Initiator]],
        besides: frozenset[str] = frozenset(),
    ) -> BatchResult[ReservationState]:
        """End reservations. Released units go to waiting orders in the same transaction."""
        released = [
            ending.order_id for ending, _ in commands if ending.state is ReservationStatus.RELEASED
        ]
        if not released:
            return await self._end_all(connection, commands)
        try:
            async with connection.transaction():
                held = await self._waiting.list_held(
                    connection, [ending.order_id for ending, _ in commands]
                )
                skus = sorted({*held, *besides})
                await self._stock.lock_offers(connection, skus)
                done = await self._end_all(connection, commands, skus)
                movements = await self._waiting.withdraw(connection, released, skus, commands[0][1])
                await self._stock.write(connection, movements)
        except Overtaken as others:
            return await self._end(connection, commands, besides | others.skus)
        gave_up = {movement.order_id for movement in movements if movement.kind == GIVE_UP}
        outcomes = [
            msgspec.structs.replace(o, empty=o.empty and o.order_id not in gave_up)
            for o in done.outcomes
        ]
        return BatchResult(outcomes, [*done.kinds, *(movement.kind for movement in movements)])

    async def _end_all(
        self,
        connection: Connection,
        commands: list[tuple[Ending, Initiator]],
        locked: list[str] | None = None,
    ) -> BatchResult[ReservationState]:
        """End the reservations. A command that names an order again runs in a further statement.

        `locked`: the products with locked stock, if any. Raises Overtaken when an order has
        reserved other stock.
        """
        outcomes: dict[int, ReservationState] = {}
        kinds: list[str] = []
        while left := [place for place in range(len(commands)) if place not in outcomes]:
            # the first of several commands that name the same order
            first = {commands[place][0].order_id: place for place in reversed(left)}
            await COMMITTING.passed()
            ended = await self._reservations.end(
                connection, [commands[place] for place in first.values()], locked
            )
            if locked is not None and len(ended) < len(first):
                raise Overtaken
            for order_id, state, movements, changed, held in ended:
                idempotent = not changed and state is not ReservationStatus.ABSENT
                outcomes[first[order_id]] = ReservationState(
                    order_id, state, idempotent, empty=not held
                )
                kinds += [domain.STEP_TO[state]] * movements if movements else []
        return BatchResult([outcomes[place] for place in range(len(commands))], kinds)


async def _with_acts(
    acts: Sequence[Act | None],
    work: Work[C, Out],
    connection: Connection,
    commands: list[tuple[C, Initiator]],
) -> BatchResult[Out]:
    """Run the work, and record the acts of the commands that moved stock."""
    return await recorded_all(
        connection,
        acts,
        lambda: work(connection, commands),
        lambda done: map(domain.moved_stock, done.outcomes),
    )


def initiator(actor: str) -> Initiator:
    """The `actor`, with the trace of the current request."""
    return Initiator(actor, telemetry.trace_id.get())
