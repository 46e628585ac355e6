"""Periodic work on orders, done by the worker. Any number of workers share it."""

import asyncio

from valerix.chassis.base.deadline import Deadline
from valerix.orders import metrics
from valerix.orders.fulfilment import Fulfilment
from valerix.orders.queries import Queries
from valerix.orders.transitions import COUNTED

COUNT_PAUSE_SECONDS = 15.0
FORGET_PAUSE_SECONDS = 60.0


async def sweep(
    fulfilment: Fulfilment, batch: int, pause_seconds: float, deadline_seconds: float
) -> None:
    """Drive due orders until there are none, pause, and repeat.

    An order is due after a crash, after a delay, or when it was held too long.
    """
    while True:
        if await fulfilment.sweep(batch, Deadline.after(deadline_seconds)) < batch:
            await asyncio.sleep(pause_seconds)


async def count(queries: Queries) -> None:
    """Keep the gauge of open orders up to date."""
    while True:
        counts = await queries.count_open()
        for status in COUNTED:
            metrics.orders_by_status.labels(status).set(counts.get(status, 0))
        await asyncio.sleep(COUNT_PAUSE_SECONDS)


async def forget_declines(fulfilment: Fulfilment) -> None:
    """Keep the table of orders that count against their customers small."""
    while True:
        await fulfilment.forget_declines()
        await asyncio.sleep(FORGET_PAUSE_SECONDS)
