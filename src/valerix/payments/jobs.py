"""Periodic work of payments. Any number of replicas share it."""

import asyncio

from valerix.payments.telling import Telling
from valerix.payments.use_cases import PaymentsUseCases

BATCH = 256
PAUSE_SECONDS = 1.0


async def resolve(payments: PaymentsUseCases) -> None:
    """Find out what became of payments and refunds a crash or an outage left without an outcome."""
    while True:
        if await payments.resolve_due(BATCH) < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)


async def tell(telling: Telling) -> None:
    """Tell orders what was given back by hand."""
    while True:
        if await telling.tell_due(BATCH) < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)
