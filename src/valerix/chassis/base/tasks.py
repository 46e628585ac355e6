"""Cancellation, told apart: some libraries raise it on their own account."""

import asyncio


def being_cancelled() -> bool:
    """Whether somebody asked the current task to end.

    A CancelledError without that comes from an awaited future that its owner gave up - AMQP's client does so when
    it loses its connection - and is a failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
