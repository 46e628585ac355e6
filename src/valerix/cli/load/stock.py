"""Restocks during a run: it measures orders, and the demo catalogue's stock is small."""

import asyncio
from collections.abc import Collection
from typing import Final

from valerix.cli.load.schedule import QUANTITIES
from valerix.cli.load.tally import Tally
from valerix.client import AsyncValerix, ValerixError
from valerix.client.models import InventoryItem

LOOK_SECONDS: Final = 0.5
LEAST_UNITS: Final = 1000
MOST_OF_ONE: Final = max(QUANTITIES)
LOOKS_AHEAD: Final = 10
"""The available stock must cover this multiple of the demand between two looks."""


class Shelves:
    """Keeps the products of a run in stock."""

    def __init__(
        self, staff: AsyncValerix, tally: Tally, products: Collection[str], orders: int | None
    ) -> None:
        self._staff = staff
        self._tally = tally
        self._products = products
        self._least = min(LEAST_UNITS, MOST_OF_ONE * orders) if orders else LEAST_UNITS

    async def fill(self) -> None:
        """Add the units that may be needed next. Raises ValerixError."""
        demand = self._tally.demand.copy()
        self._tally.demand.clear()
        async for item in self._staff.inventory.list():
            wanted = max(self._least, LOOKS_AHEAD * demand[item.product_id])
            if item.product_id in self._products and item.available < wanted:
                await self._bring_in(item, wanted)

    async def keep_full(self) -> None:
        """Restock until the task is cancelled.

        Failures are ignored: inventory may be down for a while.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.fill()
            except ValerixError:
                continue

    async def _bring_in(self, item: InventoryItem, units: int) -> None:
        warehouse = item.warehouses[0].warehouse_id
        await self._staff.inventory.adjust(item.product_id, warehouse, units, reason="valerix load")
        self._tally.restocked += units
