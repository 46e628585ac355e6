"""Micro-batching: collects items while the previous batch runs, then runs them as one list.

An idle service starts a batch of one item at once, and the cost per item falls as load rises.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import structlog
from prometheus_client import Histogram

from valerix.chassis.base import caller
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.concurrency.halves import by_halves

log = structlog.get_logger()
In = TypeVar("In")
Out = TypeVar("Out")
batch_items = Histogram(
    "coalescer_batch_items",
    "Items per batch",
    ["coalescer"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)


class BatchQueue(Generic[In]):
    """Queues items and runs `run` over batches of 1…`max_batch` of them.

    At most `max_concurrent_batches` run at once and at most `max_waiting` items wait. A further
    item raises Unavailable, and no work is done for it. While other batches run, a further batch
    lingers `linger_seconds` for each of them before it starts, unless they finish first or it is
    full: a batch of six costs little more than a batch of one (ADR 15).

    How a result reaches its caller is up to `run`. `name` labels the batch sizes in the metrics.
    """

    def __init__(
        self,
        run: Callable[[list[In]], Awaitable[None]],
        *,
        name: str,
        max_concurrent_batches: int,
        max_batch: int = 64,
        max_waiting: int = 2048,
        linger_seconds: float = 0.0,
    ) -> None:
        self._run = run
        self._batch_items = batch_items.labels(name)
        self._name = name
        self._free = max_concurrent_batches
        self._at_work = 0
        self._hurry = asyncio.Event()  # set when no batch runs, or one is full
        self._starting = False
        self._linger_seconds = linger_seconds
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[In, float]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    def put(self, item: In) -> None:
        """Adds `item` to the next batch. Raises Unavailable."""
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable("Too many requests are waiting")
        self._waiting.append((item, asyncio.get_running_loop().time()))
        self._start_batch()

    def waits_seconds(self) -> float:
        """How long the first item in the queue has been waiting; 0 for an empty queue."""
        return asyncio.get_running_loop().time() - self._waiting[0][1] if self._waiting else 0.0

    def _start_batch(self) -> None:
        if len(self._waiting) >= self._max_batch:
            self._hurry.set()
        if self._waiting and self._free and not self._starting:
            self._starting = True
            self._free -= 1
            # The task starts on the next turn of the loop: items of this turn join its first batch.
            task = asyncio.create_task(self._run_batches())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run_batches(self) -> None:
        caller.person_token.set("")  # a batch serves all callers, not only the first one
        if self._at_work and self._linger_seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._at_work * self._linger_seconds):
                    await self._hurry.wait()
        self._starting = False
        self._at_work += 1
        self._hurry.clear()
        try:
            while self._waiting:
                count = min(len(self._waiting), self._max_batch)
                self._batch_items.observe(count)
                batch = [self._waiting.popleft()[0] for _ in range(count)]
                self._start_batch()  # for the items that exceed one batch
                await self._run_batch(batch)
        finally:
            self._free += 1
            self._at_work -= 1
            if not self._at_work:
                self._hurry.set()

    async def _run_batch(self, batch: list[In]) -> None:
        try:
            await self._run(batch)
        except Exception:
            log.exception("batch failed", batcher=self._name, items=len(batch))


class Batcher(Generic[In, Out]):
    """Gives each caller its own result of `run`.

    `run` gets 1…`max_batch` items and returns as many results, each a value or the exception of its
    caller. A batch that raises one of `impossible` is run again in halves, so that one bad item
    fails alone. Its work has to be repeatable. A cancelled caller does not stop its batch: work
    that has started is finished. See BatchQueue for the other parameters.
    """

    def __init__(
        self,
        run: Callable[[list[In]], Awaitable[Sequence[Out | Exception]]],
        *,
        name: str,
        max_concurrent_batches: int,
        max_batch: int = 64,
        max_waiting: int = 2048,
        linger_seconds: float = 0.0,
        impossible: tuple[type[Exception], ...] = (),
    ) -> None:
        self._run = run
        self._impossible = impossible
        self._queue: BatchQueue[tuple[In, asyncio.Future[Out]]] = BatchQueue(
            self._settle,
            name=name,
            max_concurrent_batches=max_concurrent_batches,
            max_batch=max_batch,
            max_waiting=max_waiting,
            linger_seconds=linger_seconds,
        )
        self.waits_seconds = self._queue.waits_seconds

    async def submit(self, item: In) -> Out:
        """Returns the result of `item`, or raises its exception."""
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._queue.put((item, future))
        return await future

    async def _settle(self, batch: list[tuple[In, "asyncio.Future[Out]"]]) -> None:
        results: list[Out | Exception]
        try:
            results = await self._run_in_parts([item for item, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # the caller was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _run_in_parts(self, items: list[In]) -> list[Out | Exception]:
        results: list[Out | Exception] = []
        for part, outcome in await by_halves(
            items, lambda some: self._run(list(some)), self._impossible
        ):
            results += [outcome] if isinstance(outcome, Exception) else outcome
            if not isinstance(outcome, Exception) and len(outcome) != len(part):
                raise RuntimeError(f"a batch of {len(part)} came back with {len(outcome)} results")
        return results
