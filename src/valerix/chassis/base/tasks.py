"""Background work: it continues after any exception, and ends when it is cancelled.

A CancelledError does not prove a cancellation: some libraries raise it themselves.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

AGAIN_SECONDS = 5.0
PAUSE_SECONDS = 1.0
STEADY_SECONDS = 30.0
"""A loop that has run this long since its last failure counts as healthy again."""
Work = Callable[[], Awaitable[None]]


def being_cancelled() -> bool:
    """Whether the current task was cancelled.

    A CancelledError without a cancellation comes from an awaited future that its owner gave up -
    AMQP's client does so when it loses its connection - and is a failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def keep_running(work: Work, failed: Callable[[BaseException], None]) -> None:
    """Runs `work` until it returns or is cancelled; starts it again after a pause when it raises.

    `failed` is called with each failure. It may raise, too: on a full disk the failure cannot be
    logged either.
    """
    while True:
        try:
            return await work()
        except (Exception, asyncio.CancelledError) as error:
            if being_cancelled():
                raise
            with suppress(Exception):
                failed(error)
        await asyncio.sleep(PAUSE_SECONDS)


class _Loop:
    """A loop and its failures.

    `failed_at` is None before the first failure. `failures` counts failures less than
    STEADY_SECONDS apart.
    """

    def __init__(self, name: str, work: Work, failed: Callable[[str, BaseException], None]) -> None:
        self._name, self._failed = name, failed
        self._failed_at: float | None = None
        self._failures = 0
        self.task = asyncio.create_task(keep_running(work, self._note))

    def _note(self, error: BaseException) -> None:
        self._failures = self._failures + 1 if self._is_unsteady() else 1
        self._failed_at = time.monotonic()
        self._failed(self._name, error)

    def _is_unsteady(self) -> bool:
        return self._failed_at is not None and time.monotonic() - self._failed_at < STEADY_SECONDS

    def trouble(self) -> str:
        """A description of the trouble, or an empty text.

        It omits the exception, which may contain personal data.
        """
        if self.task.done():
            return f"{self._name} has ended"
        return (
            f"{self._name} failed, times in a row: {self._failures}" if self._is_unsteady() else ""
        )


class Loops:
    """The background loops of one process.

    `failed` is called with each failure and the name of its loop.
    """

    def __init__(self, failed: Callable[[str, BaseException], None]) -> None:
        self._failed = failed
        self._loops: list[_Loop] = []

    def start(self, name: str, work: Work) -> None:
        """Keeps `work` running. It should not return."""
        self._loops.append(_Loop(name, work, self._failed))

    def troubles(self) -> list[str]:
        """A line for each loop that has ended, or has failed within the last STEADY_SECONDS."""
        return [trouble for loop in self._loops if (trouble := loop.trouble())]

    async def close(self) -> None:
        """Cancels all loops and waits until they have ended."""
        await end(loop.task for loop in self._loops)


async def end(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancels all `tasks` and returns when they have ended. Raises nothing.

    A task that continues is cancelled again: a client that is cancelled while it handles an error
    may lose the cancellation.
    """
    tasks = list(tasks)
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
