"""Single flight: a caller joins running work of the same key instead of starting it again.

The work goes on when all callers that wait for it have left.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

import structlog

from valerix.chassis.base.problems import Problem
from valerix.chassis.base.tasks import end

log = structlog.get_logger()
T = TypeVar("T")
CLOSE_SECONDS = 1.0


class SingleFlight(Generic[T]):
    """At most one task per key in this process. Callers keep the number of tasks within `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: dict[str, asyncio.Task[T]] = {}

    def free_places(self) -> int:
        """How many more tasks may be started.

        Callers check this before they do anything that then has to be finished.
        """
        return max(0, self._limit - len(self._tasks))

    def join(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """The task of `key`, started now unless it is already running."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def close(self) -> None:
        """Gives running tasks CLOSE_SECONDS to finish, then cancels them.

        Only for work that can be resumed.
        """
        tasks = list(self._tasks.values())
        await wait_for(tasks, CLOSE_SECONDS)
        await end(tasks)

    def _ended(self, key: str, task: "asyncio.Task[T]") -> None:
        del self._tasks[key]
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Problem):
            log.warning("background work failed", key=key, error=error.detail)
        else:
            log.error("background work failed", key=key, exc_info=error)


async def wait_for(tasks: "Iterable[asyncio.Task[T]]", seconds: float) -> None:
    """Waits until all tasks have ended or `seconds` have passed. Neither cancels nor raises."""
    if pending := [task for task in tasks if not task.done()]:
        await asyncio.wait(pending, timeout=max(0.0, seconds))


def result_or(task: "asyncio.Task[T]", otherwise: T) -> T:
    """The result of the task; `otherwise` while it is running and after it failed."""
    if not task.done() or task.cancelled() or task.exception() is not None:
        return otherwise
    return task.result()
