"""What can be done with orders. Placing is written once, over a list; a single request is a list of one."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import structlog

from valerix.chassis.base import telemetry, timeouts
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.concurrency.single_flight import SingleFlight, wait_for
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.ids import created_at, new_id
from valerix.contracts.states import OrderStatus
from valerix.orders import domain, metrics, repository
from valerix.orders.answers import Answer, answer_finished, answer_known, conclude, replay
from valerix.orders.domain import Decision, Order, OrderLine, Pass
from valerix.orders.repository import Accepting, Known
from valerix.orders.saga import Saga
from valerix.orders.schemas import view

log = structlog.get_logger()
ACCEPTING, ACCEPTED = Point("orders.accepting"), Point("orders.accepted")
FINISHING, FINISHED = Point("orders.finishing"), Point("orders.finished")
CLAIMED = {status: Point(f"orders.claimed.{status}") for status in OrderStatus}
_encode = msgspec.json.Encoder().encode

COMPANY_SECONDS = 0.05
"""How long new orders wait for others, for each batch that is under way (ADR 15)."""
BATCH_PATIENCE_SECONDS = 0.25
"""How long a batch waits for its slowest payment; whoever takes longer goes on with others like it."""
MAX_LATE = 100_000  # more than a service lets in: an order that was accepted is never turned away
LANE_PATIENCE_SECONDS = 0.5
"""How long a batch keeps its lane; when a service is slow or repeated, new orders must not wait behind it."""
SWEEP_PATIENCE_SECONDS = 1.0
MAX_SWEEPS = 8
"""A sweep that takes longer than its patience goes on beside the next; no more than so many at once."""


@dataclass(frozen=True, slots=True)
class Placing:
    """An order somebody wants placed; `key` and `fingerprint` identify the request (chassis.base.idempotency)."""

    order: Order
    key: bytes | None
    fingerprint: bytes
    trace_id: str
    deadline: Deadline


class _Charging(NamedTuple):
    """Accepted, reserved, but its payment is slow: it must not hold up its batch."""

    running: Pass
    placing: Placing


_Driven = dict[str, Answer | _Charging]
_Placed = Answer | _Charging | asyncio.Task[_Driven]
"""A task: the batch goes on without its lane."""


class Orders:
    """The use cases of the orders service."""

    def __init__(
        self,
        database: Database,
        reader: Database,
        saga: Saga,
        committed: Callable[[], None],
        *,
        lanes: int,
        max_batch: int = 64,
        timeouts: Timeouts = timeouts.DEFAULT,
    ) -> None:
        self._database = database
        self._reader = reader
        self._committed = committed
        self._saga = saga
        self._timeouts = timeouts
        self._lease = timedelta(seconds=timeouts.saga_lease_seconds)
        self.door: Batcher[Placing, _Placed] = Batcher(
            self._place_batch, name="place", lanes=lanes, max_batch=max_batch, company_seconds=COMPANY_SECONDS
        )
        self._late: Batcher[_Charging, Answer | _Charging] = Batcher(
            self._settle_batch, name="settle", lanes=lanes, max_batch=max_batch, max_waiting=MAX_LATE
        )
        self._slow: set[asyncio.Task[_Driven]] = set()
        self._sweeps: SingleFlight[dict[str, Answer]] = SingleFlight(MAX_SWEEPS)

    async def close(self) -> None:
        """Stop what goes on in the background; its orders will be due again."""
        await self._sweeps.close()

    # --- placing

    async def place(self, placing: Placing) -> Answer:
        """Accept an order durably and drive it. Raises KeyReused, KeyInFlight, or Unavailable (nothing written)."""
        started = time.perf_counter()
        placed = await self.door.submit(placing)
        if isinstance(placed, asyncio.Task):
            placed = (await asyncio.shield(placed))[placing.order.id]
        while isinstance(placed, _Charging):
            placed = await self._late.submit(placed)
        if not placed.replayed:
            metrics.order_processing_seconds.observe(time.perf_counter() - started)
        return placed

    async def _place_batch(self, batch: list[Placing]) -> Sequence[_Placed | Exception]:
        answers = await self._accept(batch)
        fresh = [placing for placing in batch if placing.order.id not in answers]
        if not fresh:
            return [answers[placing.order.id] for placing in batch]
        driving = asyncio.create_task(self._drive_placed(fresh))
        await wait_for([driving], LANE_PATIENCE_SECONDS)
        if driving.done():
            driven: Mapping[str, _Placed] = driving.result()
        else:
            self._slow.add(driving)
            driving.add_done_callback(self._slow.discard)
            driven = {placing.order.id: driving for placing in fresh}
        return [answers.get(placing.order.id) or driven[placing.order.id] for placing in batch]

    async def _drive_placed(self, fresh: list[Placing]) -> _Driven:
        passes = [Pass(placing.order) for placing in fresh]
        await self._saga.run(passes, self._answer_by(fresh), BATCH_PATIENCE_SECONDS)
        both = list(zip(passes, fresh, strict=True))
        driven: _Driven = {**await self._finish([(p, placing.trace_id) for p, placing in both if p.decision])}
        for p, placing in both:
            metrics.orders_created.labels(p.order.status).inc()
            driven.setdefault(p.order.id, _Charging(p, placing))
        return driven

    async def _accept(self, batch: list[Placing]) -> dict[str, Answer | Exception]:
        """Commit the new orders; return the answers of those that are not new, or came too late to be answered."""
        late = {p.order.id for p in batch if p.deadline.remaining() <= self._timeouts.answer_margin_seconds}
        answers: dict[str, Answer | Exception] = dict.fromkeys(late, Unavailable("The request waited for too long"))
        accepting = [
            Accepting(p.order, p.key, p.fingerprint, p.trace_id, _encode(view(p.order)).decode())
            for p in batch
            if p.order.id not in late
        ]
        await ACCEPTING.passed()
        inserted = await self._database.repeat(lambda tx: repository.insert_orders(tx, accepting, self._lease))
        await ACCEPTED.passed()
        rest = [p for p in batch if p.order.id not in inserted and p.order.id not in late]
        if not rest:
            return answers
        known = await self._known([p.order.id for p in rest], [p.key for p in rest if p.key is not None])
        ours = {k.order.id for k in known}
        by_key = {k.idempotency_key: k for k in known}
        # A row under our own id means that our insert had committed before its connection was lost.
        return answers | {p.order.id: replay(p.fingerprint, by_key[p.key]) for p in rest if p.order.id not in ours}

    async def _settle_batch(self, batch: list[_Charging]) -> Sequence[Answer | _Charging]:
        """Ask once more about payments that were too slow for their batch; the worker's, once their time is over."""
        for running, placing in batch:
            if placing.deadline.remaining() <= self._timeouts.answer_margin_seconds:
                self._saga.give_up(running)
        waiting = [charging for charging in batch if charging.running.decision is None]
        if waiting:
            deadline = self._answer_by([charging.placing for charging in waiting])
            await self._saga.resume([c.running for c in waiting], deadline, LANE_PATIENCE_SECONDS)
        answers = await self._finish([(p, placing.trace_id) for p, placing in batch if p.decision])
        return [answers.get(charging.placing.order.id, charging) for charging in batch]

    def _answer_by(self, placings: Sequence[Placing]) -> Deadline:
        """The earliest of their deadlines, less the time to answer."""
        return min((p.deadline for p in placings), key=lambda d: d.at).earlier(self._timeouts.answer_margin_seconds)

    async def _finish(self, passes: list[tuple[Pass, str]]) -> dict[str, Answer]:
        """Write what each pass decided, unless somebody took its order over; answer from what then stands there."""
        silent = [p for p, _ in passes if _is_silent(p)]
        if silent:
            await self._database.repeat(lambda tx: repository.postpone_orders(tx, silent))
        now = datetime.now(UTC)
        finished = [conclude(p, trace_id, now) for p, trace_id in passes if not _is_silent(p)]
        moved: set[str] = set()
        if finished:
            await FINISHING.passed()
            moved = await self._database.repeat(lambda tx: repository.finish_orders(tx, finished))
            self._committed()
            await FINISHED.passed()
        answers = {f.order.id: answer_finished(f) for f in finished if f.order.id in moved}
        lost = [p.order.id for p, _ in passes if p.order.id not in moved]
        if lost:
            answers |= {k.order.id: answer_known(k) for k in await self._known(lost, [])}
        return answers

    async def _known(self, ids: list[str], keys: list[bytes]) -> list[Known]:
        return await self._database.repeat(lambda tx: repository.list_known(tx, ids, keys))

    # --- one order, by hand

    async def get(self, order_id: str, owner_id: str | None) -> Order:
        """The order, if it is there and (with `owner_id`) the owner's. Raises OrderNotFound."""
        async with self._database.connection() as tx:
            order = await repository.find_order(tx, order_id, owner_id)
        if order is None:
            raise domain.OrderNotFound
        return order

    async def retry(self, order_id: str, owner_id: str | None, deadline: Deadline) -> Answer:
        """Drive a pending order now. Raises OrderNotFound, NotRetriable, or OrderBusy while a pass is running."""
        order = await self.get(order_id, owner_id)
        if order.status is not OrderStatus.PENDING:
            raise domain.NotRetriable(order.status)
        if order.error_code is None:
            raise domain.OrderBusy
        answer = await self._take_and_drive(order, None, deadline)
        return answer._replace(status=200 if answer.status == 201 else answer.status)

    async def cancel(self, order_id: str, owner_id: str | None, reason: str, deadline: Deadline) -> Order:
        """Void or refund the payment, release the stock, end as cancelled. Cancelling again changes nothing.

        Raises OrderNotFound, NotCancellable, OrderBusy. When a service is down the wish is kept, the order comes
        back as it is, and the worker cancels it.
        """
        order = await self.get(order_id, owner_id)
        if order.status is OrderStatus.CANCELLED:
            return order
        if not order.status.cancellable:
            raise domain.NotCancellable(order.status)
        await self._take_and_drive(order, reason, deadline)
        order = await self.get(order_id, owner_id)
        if not (order.status.cancellable or order.status is OrderStatus.CANCELLED):  # the goods left at the same moment
            raise domain.NotCancellable(order.status)
        return order

    async def change(
        self,
        order_id: str,
        owner_id: str | None,
        *,
        version: int | None,
        lines: list[OrderLine] | None,
        address: dict[str, Any] | None,
    ) -> Order:
        """Change the lines of a held order, or the address of one that has not shipped.

        Raises OrderNotFound, VersionConflict, NotChangeable.
        """
        order = await self.get(order_id, owner_id)
        if version is not None and version != order.version:
            raise VersionConflict(order.version)
        if not order.status.cancellable or order.cancel_reason is not None:
            raise domain.NotChangeable(f"The order is {order.status}")
        if lines is not None and not order.held:
            raise domain.NotChangeable("Lines can only be changed while the order is held for stock")
        due_in = await self._due_in(order.id)
        before, order.lines = order.lines, order.lines if lines is None else lines
        order.shipping_address = address if address is not None else order.shipping_address
        decision = Decision(order.status, domain.CHANGED, order.error_code, order.error_message, due_in)
        conclusion = conclude(Pass(order, decision=decision), telemetry.trace_id.get(), datetime.now(UTC))
        conclusion = conclusion._replace(answer_status=None, answer_body=None)

        async def write(tx: Transaction) -> bool:
            async with tx.transaction():
                moved = bool(await repository.finish_orders(tx, [conclusion]))
                if moved and lines is not None:
                    await repository.replace_products(tx, order, before)
                return moved

        if not await self._database.repeat(write):
            raise VersionConflict((await self.get(order_id, owner_id)).version)
        return order

    async def advance(self, order_id: str, *, version: int | None, target: OrderStatus, deadline: Deadline) -> Order:
        """Take it through the warehouse now, step by step, until it is `target`.

        Raises OrderNotFound, VersionConflict, IllegalTransition, OrderBusy. When a service is down it comes back short
        of `target`, and the worker goes on with it.
        """
        order = await self.get(order_id, None)
        if version is not None and version != order.version:
            raise VersionConflict(order.version)
        while domain.way(order.status, target):
            before = order.status
            await self._take_and_drive(order, None, deadline)
            order = await self.get(order_id, None)
            if order.status == before:
                break
        return order

    async def _due_in(self, order_id: str) -> timedelta | None:
        async with self._database.connection() as tx:
            return await repository.find_due_in(tx, order_id)

    async def timeline(self, order_id: str, owner_id: str | None) -> tuple[Order, list[Any]]:
        """The order and its history, oldest first. Raises OrderNotFound."""
        order = await self.get(order_id, owner_id)
        async with self._database.connection() as tx:
            return order, list(await repository.list_events(tx, order.id))

    async def search(self, **filters: Any) -> list[Order]:
        """Orders matching `filters` (repository.list_orders)."""
        async with self._reader.connection() as tx:
            return await repository.list_orders(tx, **filters)

    async def _take_and_drive(self, order: Order, cancel_reason: str | None, deadline: Deadline) -> Answer:
        taken = await self._database.repeat(
            lambda tx: repository.claim_one(tx, order.id, order.version, self._lease, cancel_reason)
        )
        if taken is None:
            raise domain.OrderBusy
        await _claimed([taken])
        return (await self._drive([taken], deadline))[order.id]

    # --- in the background

    async def sweep(self, limit: int, deadline: Deadline) -> int:
        """Go on with orders that are due: steps through the warehouse, what a crash left open, what was delayed, holds
        that expired.

        Returns how many there were of the kind there were more of, up to `limit` of each: those whose next step needs
        nobody, and the others as far as there is room for them.
        """
        return max(await self._step(limit), await self._drive_due(limit, deadline))

    async def _step(self, limit: int) -> int:
        """Find those whose next step needs nobody and finish it, in one transaction: who dies in it leaves them due."""

        async def step(tx: Transaction) -> int:
            async with tx.transaction():
                passes = [Pass(order) for order in await repository.lock_due_unaided(tx, limit)]
                await _claimed([p.order for p in passes])
                self._saga.fulfil_unaided(passes)
                if passes:
                    now = datetime.now(UTC)
                    await repository.finish_orders(tx, [conclude(p, _trace_id(), now) for p in passes])
                return len(passes)

        done = await self._database.repeat(step)
        if done:
            self._committed()
            await FINISHED.passed()
        return done

    async def _drive_due(self, limit: int, deadline: Deadline) -> int:
        """Take over the others and drive them."""
        if not self._sweeps.room():
            return 0
        due = await self._database.repeat(lambda tx: repository.claim_due(tx, limit, self._lease))
        await _claimed(due)
        for order in due:
            if order.expires:
                order.cancel_reason = "The time to hold the order for stock is over"
        if due:
            log.info("driving due orders", count=len(due))
            driving = self._sweeps.join(due[0].id, lambda: self._drive(due, deadline))
            await wait_for([driving], SWEEP_PATIENCE_SECONDS)
        return len(due)

    async def _drive(self, orders: list[Order], deadline: Deadline) -> dict[str, Answer]:
        passes = [Pass(order) for order in orders]
        deadline = deadline.earlier(self._timeouts.answer_margin_seconds)
        await self._saga.run(passes, deadline, self._timeouts.step_wait_seconds)
        for p in passes:
            if p.decision is None:
                self._saga.give_up(p)
        return await self._finish([(p, _trace_id()) for p in passes])

    async def count_open(self) -> dict[str, int]:
        """Orders by status (repository.count_open)."""
        async with self._reader.connection() as tx:
            return await repository.count_open(tx)


def new_order(
    customer_id: str, lines: list[OrderLine], payment_method: str, on_shortage: str, address: dict[str, Any] | None
) -> Order:
    """A pending order whose id carries its creation time, so that lists page on the id alone."""
    order_id = new_id()
    made_at = created_at(order_id)
    return Order(order_id, customer_id, lines, payment_method, on_shortage, made_at, made_at, address)


def _is_silent(p: Pass) -> bool:
    return p.decision is not None and p.decision.silent


async def _claimed(orders: list[Order]) -> None:
    for status in {order.status for order in orders}:
        await CLAIMED[status].passed()


def _trace_id() -> str:
    return telemetry.trace_id.get() or telemetry.new_trace_id()
