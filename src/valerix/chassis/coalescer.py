"""Collect what arrives while the previous batch is in flight; run it as one list; hand each caller its own result.

There is no timer: an idle service starts a batch of one at once, and cost per item falls as load rises.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from prometheus_client import Histogram

from valerix.chassis import caller
from valerix.chassis.problems import Unavailable

In = TypeVar("In")
Out = TypeVar("Out")
batch_items = Histogram(
    "coalescer_batch_items", "Items per batch", ["coalescer"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)


class Coalescer(Generic[In, Out]):
    """`run` gets 1…`max_batch` items and returns as many results, each a value or the exception of its own caller.

    At most `lanes` batches run at once and at most `max_waiting` items wait; one more raises Unavailable before
    any work is done. A caller that is cancelled does not stop its batch: work that was begun is finished.
    `name` stands beside the sizes of its batches in the metrics.
    """

    def __init__(
        self,
        run: Callable[[list[In]], Awaitable[Sequence[Out | Exception]]],
        *,
        name: str,
        lanes: int,
        max_batch: int = 64,
        max_waiting: int = 2048,
    ) -> None:
        self._run = run
        self._batch_items = batch_items.labels(name)
        self._free_lanes = lanes
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[In, asyncio.Future[Out], float]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, item: In) -> Out:
        """The result of `item`, or its exception."""
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable("Too many requests are waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Out] = loop.create_future()
        self._waiting.append((item, future, loop.time()))
        if self._free_lanes:
            self._free_lanes -= 1
            # The task starts on the next turn of the loop, so what arrives in this turn joins its first batch.
            task = asyncio.create_task(self._lane())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    def waits_seconds(self) -> float:
        """How long the first in the queue has been waiting; 0 when nobody is."""
        return asyncio.get_running_loop().time() - self._waiting[0][2] if self._waiting else 0.0

    async def _lane(self) -> None:
        caller.person_token.set("")  # it serves whoever comes, not only the one who was first
        try:
            while self._waiting:
                count = min(len(self._waiting), self._max_batch)
                self._batch_items.observe(count)
                await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._free_lanes += 1

    async def _settle(self, batch: list[tuple[In, "asyncio.Future[Out]", float]]) -> None:
        results: Sequence[Out | Exception]
        try:
            results = await self._run([item for item, _, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"a batch of {len(batch)} came back with {len(results)} results")  # noqa: TRY301 - handed to every caller below
        except Exception as error:
            results = [error] * len(batch)
        for (_, future, _), result in zip(batch, results, strict=True):
            if future.done():  # its caller went away
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
