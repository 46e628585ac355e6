"""Periodic work of notifications, shared by any number of replicas."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from valerix.notifications.use_cases import MessageDelivery, Notifications

MIN_PAUSE_SECONDS = 0.2
"""Messages to people are not urgent: a pause lets more of them collect."""
MAX_PAUSE_SECONDS = 1.0
MEASURE_SECONDS = 5.0
PRUNE_SECONDS = 30.0


async def deliver(delivery: MessageDelivery) -> None:
    """Send due messages; while none is due, look less and less often, down to once a second."""
    pause = MIN_PAUSE_SECONDS
    while True:
        count = await delivery.deliver_due()
        if count:
            pause = MIN_PAUSE_SECONDS
        if count < delivery.batch:
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def measure(notifications: Notifications) -> None:
    """Keep the gauge current, and the queue free of messages that are too late."""
    await _every(MEASURE_SECONDS, notifications.measure)


async def prune(notifications: Notifications, keep: int) -> None:
    """Delete all but about the last `keep` live events, which bounds the table."""
    await _every(PRUNE_SECONDS, partial(notifications.prune_live, keep))


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(seconds)
