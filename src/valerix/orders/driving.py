"""Driving orders: take over, run the saga, write its decisions.

Placing, fulfilment and changes share it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from valerix.chassis.base import telemetry, timeouts
from valerix.chassis.base.deadline import Deadline, Now, utc_now
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.halves import by_halves
from valerix.chassis.messaging.acts import recorded
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.states import OrderStatus
from valerix.orders.answers import Answer, answer_existing, answer_finished, conclude
from valerix.orders.bounds import bound_of, may_have_counted
from valerix.orders.decisions import SagaRun
from valerix.orders.errors import OrderBusy
from valerix.orders.order import Order
from valerix.orders.repository.bounds import BoundsRepository, Counting
from valerix.orders.repository.driving import DrivingRepository, Finished
from valerix.orders.repository.placing import PlacingRepository
from valerix.orders.saga import Saga

FINISHING, FINISHED = Point("orders.finishing"), Point("orders.finished")
CLAIMED: Final = {status: Point(f"orders.claimed.{status}") for status in OrderStatus}


class Driving:
    """Takes orders over, drives them and writes the result.

    `committed` is called after each commit that emitted an event.
    """

    def __init__(
        self,
        database: Database,
        repository: DrivingRepository,
        placed: PlacingRepository,
        counted: BoundsRepository,
        saga: Saga,
        committed: Callable[[], None],
        *,
        timeouts: Timeouts = timeouts.DEFAULT,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._repository = repository
        self._placed = placed
        self._counted = counted
        self._saga = saga
        self._committed = committed
        self._timeouts = timeouts
        self._now = now
        self.lease = timedelta(seconds=timeouts.saga_lease_seconds)

    async def take_and_drive(
        self, order: Order, cancel_reason: str | None, deadline: Deadline, act: Act | None = None
    ) -> Answer:
        """Take over an order at the version that was read, and drive it.

        `act` is recorded with it if staff did it. Raises OrderBusy if the order has changed since.
        """

        async def claim(tx: Transaction) -> Order | None:
            take = partial(
                self._repository.claim_one, tx, order.id, order.version, self.lease, cancel_reason
            )
            return await recorded(tx, act, take)

        taken = await self._database.repeat(claim)
        if taken is None:
            raise OrderBusy
        await claimed([taken])
        return (await self.drive([taken], deadline, asked=True))[order.id]

    async def drive(
        self, orders: list[Order], deadline: Deadline, *, asked: bool = False
    ) -> dict[str, Answer]:
        """Run the saga once over orders that were taken over.

        Payments that stay open are left to the next run.
        """
        runs = [SagaRun(order, asked=asked) for order in orders]
        deadline = deadline.earlier(self._timeouts.answer_margin_seconds)
        await self._saga.run(runs, deadline, self._timeouts.step_wait_seconds)
        for run in runs:
            if run.decision is None:
                self._saga.give_up(run)
        return await self.finish([(run, trace_id()) for run in runs])

    async def finish(self, runs: Sequence[tuple[SagaRun, str]]) -> dict[str, Answer]:
        """Write the decision of each run and return the answers.

        The decision is not written if the order was taken over since; the answer comes from the
        database then. `runs`: each run with its trace id.
        """
        quiet = [run for run, _ in runs if run.decision and not run.decision.emits_event]
        await by_halves(quiet, self._postpone, IMPOSSIBLE)
        now = self._now()
        finished = [
            conclude(run, trace, now)
            for run, trace in runs
            if run.decision and run.decision.emits_event
        ]
        moved: set[str] = set()
        if finished:
            await FINISHING.passed()
            parts = await by_halves(finished, self._write, IMPOSSIBLE)
            moved = {
                order_id for _, outcome in parts if isinstance(outcome, set) for order_id in outcome
            }
            self._committed()
            await FINISHED.passed()
        answers = {f.order.id: answer_finished(f) for f in finished if f.order.id in moved}
        lost = [run.order.id for run, _ in runs if run.order.id not in moved]
        if overtaken := [f.order for f in finished if f.order.id not in moved]:
            await self._database.repeat(lambda tx: self._repository.hand_back(tx, overtaken))
        if lost:
            existing = await self._database.repeat(
                lambda tx: self._placed.list_existing(tx, lost, [])
            )
            answers |= {known.order.id: answer_existing(known) for known in existing}
        return answers

    async def _postpone(self, runs: Sequence[SagaRun]) -> None:
        await self._database.repeat(lambda tx: self._repository.postpone_orders(tx, runs))

    async def _write(self, finished: Sequence[Finished]) -> set[str]:
        bounds = [Counting(f.order, bound_of(f.order)) for f in finished]
        counting = [each for each in bounds if each.bound or may_have_counted(each.order)]
        if not counting:
            return await self._database.repeat(
                lambda tx: self._repository.finish_orders(tx, finished)
            )

        async def write(tx: Transaction) -> set[str]:
            async with tx.transaction():
                moved = await self._repository.finish_orders(tx, finished)
                if changed := [each for each in counting if each.order.id in moved]:
                    await self._counted.count(tx, changed)
                return moved

        return await self._database.repeat(write)

    async def finish_local_steps(self, limit: int) -> int:
        """Finish the next step of due orders that need no other service; return their number.

        All of it is one transaction: if the process dies within it, the orders stay due.
        """

        async def step(
            tx: Transaction, finish: Callable[[Transaction, Sequence[Finished]], Awaitable[object]]
        ) -> int:
            async with tx.transaction():
                runs = [
                    SagaRun(order) for order in await self._repository.lock_due_local(tx, limit)
                ]
                await claimed([run.order for run in runs])
                self._saga.fulfil_locally(runs)
                now = self._now()
                if runs:
                    await finish(tx, [conclude(run, trace_id(), now) for run in runs])
                return len(runs)

        try:
            done = await self._database.repeat(lambda tx: step(tx, self._repository.finish_orders))
        except IMPOSSIBLE:
            # Savepoints only after a failure: rows that are locked in a transaction and written
            # within a savepoint of it cost a third more.
            done = await self._database.repeat(lambda tx: step(tx, self._finish_in_parts))
        if done:
            self._committed()
            await FINISHED.passed()
        return done

    async def _finish_in_parts(self, tx: Transaction, finished: Sequence[Finished]) -> None:
        """Write the orders in parts; an order that cannot be written is due again after a lease."""

        async def write(some: Sequence[Finished]) -> None:
            async with tx.transaction():
                await self._repository.finish_orders(tx, some)

        parts = await by_halves(finished, write, IMPOSSIBLE)
        if impossible := [
            f.order.id for part, outcome in parts if outcome is not None for f in part
        ]:
            await self._repository.put_off(tx, impossible, self.lease)

    async def forget_declines(self) -> None:
        """Delete declines that no longer count against their customers."""
        await self._database.repeat(self._counted.forget_declines)

    async def claim_due(self, limit: int) -> list[Order]:
        """Take over due orders with a next step that calls other services."""
        due = await self._database.repeat(
            lambda tx: self._repository.claim_due(tx, limit, self.lease)
        )
        await claimed(due)
        return due


async def claimed(orders: Sequence[Order]) -> None:
    """Pass the failpoint of each status among these orders."""
    for status in {order.status for order in orders}:
        await CLAIMED[status].passed()


def trace_id() -> str:
    """Return the trace id of the current request, or a new one."""
    return telemetry.trace_id.get() or telemetry.new_trace_id()
