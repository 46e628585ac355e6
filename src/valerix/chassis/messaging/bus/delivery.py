"""Shared by both adapters: publications stay in order, consumers run on, handlers are retried."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import structlog

from valerix.chassis.base.tasks import being_cancelled, end
from valerix.chassis.messaging.bus.base import BusUnavailable, Delivery, Handler

LONGEST_PAUSE_SECONDS = 5.0
log = structlog.get_logger()


def pauses() -> Iterator[float]:
    """Seconds to wait after each consecutive failure."""
    pause = 0.1
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


class Publications:
    """Publications start in the order of the calls, and may overlap after that.

    When one fails, those waiting behind it fail, too: sent again together they keep their order.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._failures = 0

    @contextmanager
    def one(self) -> Iterator[AbstractAsyncContextManager[None]]:
        """Encloses a whole publication.

        Yields its turn, to be entered around the part that no other publication may overtake.
        """
        try:
            yield self._turn(self._failures)
        except BaseException:
            self._failures += 1
            raise

    @asynccontextmanager
    async def _turn(self, failures: int) -> AsyncIterator[None]:
        async with self._lock:
            if failures != self._failures:
                raise BusUnavailable("A message before this one was not published")
            yield


async def handled(handle: Handler, deliveries: Sequence[Delivery]) -> None:
    """Calls `handle` until it succeeds.

    The messages stay with this process while it fails. Returning them would spend the broker's
    timeout (a delivery limit) on a database that is only restarting.
    """
    for pause in pauses():
        try:
            await handle(deliveries)
        except (Exception, asyncio.CancelledError) as error:
            if being_cancelled():
                raise
            first = deliveries[0].message
            log.warning(
                "handler failed, trying again",
                topic=first.topic,
                message_id=first.id,
                error=repr(error),
            )
            await asyncio.sleep(pause)
        else:
            return


async def follow(consumer: str, topic: str, consume: Callable[[], Awaitable[None]]) -> None:
    """Runs `consume` forever.

    It raises BusUnavailable when the broker, or its right to consume, is lost.
    """
    waits = pauses()
    while True:
        began = time.monotonic()
        try:
            await consume()
        except BusUnavailable as error:
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                waits = pauses()
            log.warning("bus lost, trying again", consumer=consumer, topic=topic, error=str(error))
        await asyncio.sleep(next(waits))


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Runs all `works`; when one ends, cancels the others and raises what it raised.

    Not a TaskGroup: a task that ends as cancelled, though nothing cancelled it, would end silently.
    And before Python 3.13 a failure at the moment of its cancellation hides the cancellation.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)
