"""Cancellation, told apart: some libraries raise it on their own account."""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 5.0


def being_cancelled() -> bool:
    """Whether somebody asked the current task to end.

    A CancelledError without that comes from an awaited future that its owner gave up - AMQP's client does so when
    it loses its connection - and is a failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancel all of them, and return when they have ended; nothing is raised.

    One that goes on is cancelled again: a client that is cancelled while it handles an error may lose that.
    """
    tasks = list(tasks)
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
