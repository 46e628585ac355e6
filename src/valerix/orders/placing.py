"""Placing orders: accept durably, await the answer.

It is written once, over a list; a single request is a list of one. Each order has one future. The
batch that finishes the order resolves the future, after its commit. An order that is still
undecided when the time of its request is over is answered "pending", and the worker drives it on.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import msgspec

from valerix.chassis.base import timeouts
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import BatchQueue
from valerix.chassis.concurrency.halves import by_halves
from valerix.chassis.concurrency.single_flight import wait_for
from valerix.chassis.messaging.acts import recorded_all
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.ids import created_at, new_id
from valerix.contracts.money import Money
from valerix.orders import metrics
from valerix.orders.answers import Answer, replay
from valerix.orders.bounds import DEFAULT, Bound, Bounds, refusal
from valerix.orders.decisions import SagaRun
from valerix.orders.driving import Driving
from valerix.orders.order import Order, OrderLine
from valerix.orders.repository.placing import Accepting, Inserted, PlacingRepository
from valerix.orders.saga import Saga
from valerix.orders.schemas import view

ACCEPTING, ACCEPTED = Point("orders.accepting"), Point("orders.accepted")
_encode = msgspec.json.Encoder().encode

LINGER_SECONDS: Final = 0.05
"""How long a batch waits for further orders, per batch that is in progress (ADR 15)."""
MAX_LATE: Final = 100_000  # more than a service admits: an accepted order is never rejected


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """A new order; `key` and `fingerprint` identify the request (chassis.base.idempotency)."""

    order: Order
    key: bytes | None
    fingerprint: bytes
    trace_id: str
    deadline: Deadline
    bounded: bool = False
    """Whether the bounds of its customer hold for the order; staff have none."""
    act: Act | None = None
    """Set if staff place the order for the customer."""


@dataclass(slots=True, eq=False)
class PlacedOrder:
    """A placement request, with the future of its one answer."""

    request: PlaceRequest
    answer: "asyncio.Future[Answer]"
    run: SagaRun = field(init=False)

    def __post_init__(self) -> None:
        self.run = SagaRun(self.request.order)

    def resolve(self, outcome: Answer | Exception) -> None:
        """Answer the request, unless it is answered already or its caller has disconnected."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Placing:
    """Places orders: `place` takes one request, everything below it works on lists."""

    def __init__(
        self,
        database: Database,
        repository: PlacingRepository,
        saga: Saga,
        driving: Driving,
        *,
        max_concurrent_batches: int,
        max_batch: int = 64,
        bounds: Bounds = DEFAULT,
        timeouts: Timeouts = timeouts.DEFAULT,
    ) -> None:
        self._database = database
        self._repository = repository
        self._saga = saga
        self._driving = driving
        self._bounds = bounds
        self._timeouts = timeouts
        self._lease = timedelta(seconds=timeouts.saga_lease_seconds)
        self.placements: BatchQueue[PlacedOrder] = BatchQueue(
            self._place_batch,
            name="place",
            max_concurrent_batches=max_concurrent_batches,
            max_batch=max_batch,
            linger_seconds=LINGER_SECONDS,
        )
        self._late_payments: BatchQueue[PlacedOrder] = BatchQueue(
            self._charge_batch,
            name="settle",
            max_concurrent_batches=max_concurrent_batches,
            max_batch=max_batch,
            max_waiting=MAX_LATE,
        )
        self._under_way: set[asyncio.Task[None]] = set()

    async def place(self, request: PlaceRequest) -> Answer:
        """Accept an order durably and drive it.

        Raises KeyReused, KeyInFlight, BeyondBounds, or Unavailable. Nothing is written then, unless
        the database fails after the acceptance: such an order is driven on by the worker.
        """
        started = time.perf_counter()
        placed = PlacedOrder(request, asyncio.get_running_loop().create_future())
        self.placements.put(placed)
        answer = await placed.answer
        if not answer.replayed:
            metrics.order_processing_seconds.observe(time.perf_counter() - started)
        return answer

    async def find_first(self, request: PlaceRequest) -> Answer | None:
        """Return the answer to an earlier request with this key, if any.

        Raises KeyReused, KeyInFlight.
        """
        if (key := request.key) is None:
            return None
        existing = await self._database.repeat(
            lambda tx: self._repository.list_existing(tx, [], [key])
        )
        outcome = replay(request.fingerprint, existing[0]) if existing else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _place_batch(self, batch: list[PlacedOrder]) -> None:
        """Accept the batch and drive its new orders; a slow batch goes on beside the next."""
        try:
            fresh = await self._accept(batch)
        except Exception as error:
            resolve_all(batch, error)
            return
        if fresh:
            driving = asyncio.create_task(self._drive(fresh))
            self._under_way.add(driving)
            driving.add_done_callback(self._under_way.discard)
            await wait_for([driving], self._timeouts.batch_slot_seconds)

    async def _accept(self, batch: list[PlacedOrder]) -> list[PlacedOrder]:
        """Commit the new orders and return them.

        Requests that are not new are answered here, as are requests that came too late.
        """
        timely = [placed for placed in batch if not self._is_late(placed)]
        resolve_all(
            [p for p in batch if self._is_late(p)], Unavailable("The request waited for too long")
        )
        await ACCEPTING.passed()
        parts = await by_halves(timely, self._insert, IMPOSSIBLE)
        await ACCEPTED.passed()
        inserted: set[str] = set()
        beyond: dict[str, Bound] = {}
        impossible: list[PlacedOrder] = []
        for part, outcome in parts:
            if isinstance(outcome, Exception):
                resolve_all(part, outcome)
                impossible += part
            else:
                inserted |= outcome.ids
                beyond |= outcome.beyond
        rest = [
            placed
            for placed in timely
            if placed.request.order.id not in inserted and placed not in impossible
        ]
        ours = await self._replay(rest, beyond) if rest else []
        return [placed for placed in timely if placed.request.order.id in inserted] + ours

    async def _insert(self, placed: Sequence[PlacedOrder]) -> Inserted:
        rows = [_accepting(each.request) for each in placed]

        async def insert(tx: Transaction) -> Inserted:
            return await recorded_all(
                tx,
                [each.request.act for each in placed],
                lambda: self._repository.insert_orders(tx, rows, self._lease, self._bounds),
                lambda inserted: [each.request.order.id in inserted.ids for each in placed],
            )

        return await self._database.repeat(insert)

    async def _replay(
        self, rest: list[PlacedOrder], beyond: Mapping[str, Bound]
    ) -> list[PlacedOrder]:
        """Answer repeated requests from the database, and refuse new ones beyond a bound.

        Returns requests that turn out to be new.
        """
        ids = [placed.request.order.id for placed in rest]
        keys = [placed.request.key for placed in rest if placed.request.key is not None]
        existing = await self._database.repeat(
            lambda tx: self._repository.list_existing(tx, ids, keys)
        )
        # A row with the id of this request means that its insert had committed before its
        # connection was lost.
        ours = {known.order.id for known in existing}
        by_key = {known.idempotency_key: known for known in existing}
        for placed in rest:
            order_id, key = placed.request.order.id, placed.request.key
            if order_id in ours:
                continue
            first = by_key.get(key) if key is not None else None
            if first is None and order_id in beyond:
                placed.resolve(refusal(beyond[order_id]))
            else:
                placed.resolve(replay(placed.request.fingerprint, by_key[key]))
        return [placed for placed in rest if placed.request.order.id in ours]

    async def _drive(self, fresh: list[PlacedOrder]) -> None:
        """Run the saga for the first time.

        Orders with a slow payment leave their batch and wait with others of the kind.
        """
        try:
            runs = [placed.run for placed in fresh]
            await self._saga.run(runs, self._answer_by(fresh), self._timeouts.charge_wait_seconds)
            await self._finish([placed for placed in fresh if placed.run.decision])
            for placed in fresh:
                metrics.orders_created.labels(placed.request.order.status).inc()
                if placed.run.decision is None:
                    self._late_payments.put(placed)
        except Exception as error:
            resolve_all(fresh, error)

    async def _charge_batch(self, batch: list[PlacedOrder]) -> None:
        """Request payments again that were too slow for their batch.

        When the time of the request is over, the order is left to the worker.
        """
        try:
            for placed in batch:
                if self._is_late(placed):
                    self._saga.give_up(placed.run)
            undecided = [placed for placed in batch if placed.run.decision is None]
            if undecided:
                runs = [placed.run for placed in undecided]
                await self._saga.resume(
                    runs, self._answer_by(undecided), self._timeouts.batch_slot_seconds
                )
            await self._finish([placed for placed in batch if placed.run.decision])
            for placed in undecided:
                if placed.run.decision is None:
                    self._late_payments.put(placed)
        except Exception as error:
            resolve_all(batch, error)

    async def _finish(self, decided: list[PlacedOrder]) -> None:
        answers = await self._driving.finish(
            [(placed.run, placed.request.trace_id) for placed in decided]
        )
        for placed in decided:
            placed.resolve(answers[placed.request.order.id])

    def _is_late(self, placed: PlacedOrder) -> bool:
        return placed.request.deadline.remaining() <= self._timeouts.answer_margin_seconds

    def _answer_by(self, placed: Sequence[PlacedOrder]) -> Deadline:
        """Return the earliest of their deadlines, less the time to answer."""
        return min((p.request.deadline for p in placed), key=lambda d: d.at).earlier(
            self._timeouts.answer_margin_seconds
        )


def resolve_all(batch: Sequence[PlacedOrder], outcome: Exception) -> None:
    """Resolve all requests that have no answer yet."""
    for placed in batch:
        placed.resolve(outcome)


def _accepting(request: PlaceRequest) -> Accepting:
    data = _encode(view(request.order)).decode()
    return Accepting(
        request.order, request.key, request.fingerprint, request.trace_id, data, request.bounded
    )


def new_order(
    customer_id: str,
    lines: list[OrderLine],
    payment_method: str,
    on_shortage: str,
    address: dict[str, Any] | None,
    expected_total: Money | None = None,
    make_id: Callable[[], str] = new_id,
) -> Order:
    """Create a pending order; its id carries its creation time, so lists page on the id alone."""
    order_id = make_id()
    made_at = created_at(order_id)
    return Order(
        order_id,
        customer_id,
        lines,
        payment_method,
        on_shortage,
        made_at,
        made_at,
        address,
        expected_total=expected_total,
    )
