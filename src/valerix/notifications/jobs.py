"""Periodic work of notifications. Any number of replicas share it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from valerix.notifications.use_cases import MessageDelivery, Notifications

MIN_PAUSE_SECONDS = 0.2
"""Messages to people can wait for one another."""
MAX_PAUSE_SECONDS = 1.0
MEASURE_SECONDS = 5.0
PRUNE_SECONDS = 30.0


async def deliver(delivery: MessageDelivery) -> None:
    """Send what is due; when nothing is, look less and less often, down to once a second."""
    pause = MIN_PAUSE_SECONDS
    while True:
        count = await delivery.deliver_due()
        if count:
            pause = MIN_PAUSE_SECONDS
        if count < delivery.batch:
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def measure(notifications: Notifications) -> None:
    """Keep the gauge current, and the queue free of what is too late."""
    await _every(MEASURE_SECONDS, notifications.measure)


async def prune(notifications: Notifications, keep: int) -> None:
    """Keep live events from growing without bound."""
    await _every(PRUNE_SECONDS, partial(notifications.prune_live, keep))


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(seconds)
