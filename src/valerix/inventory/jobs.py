"""Periodic work of the inventory service."""

import asyncio

from valerix.inventory import metrics
from valerix.inventory.reserving import Reserving
from valerix.inventory.use_cases import Stock

REFRESH_SECONDS = 15.0
SWEEP_SECONDS = 10.0
ACTOR = "valerix:inventory"


async def refresh_gauges(stock: Stock) -> None:
    """Keep the stock gauges current without any work on the hot path. Never returns."""
    while True:
        levels, low = await stock.levels()
        metrics.stock_levels.read(levels)
        metrics.low_stock_items.set(low)
        await asyncio.sleep(REFRESH_SECONDS)


async def sweep(reserving: Reserving) -> None:
    """Run the work of the waiting list that no transaction that moves stock does. Never returns."""
    while True:
        await reserving.sweep(ACTOR)
        await asyncio.sleep(SWEEP_SECONDS)
