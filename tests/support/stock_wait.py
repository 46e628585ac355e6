"""Time that orders of tests wait for stock."""

from datetime import timedelta
from typing import Final

from valerix.orders.decisions import StockWait

STOCK_WAIT: Final = StockWait(
    hold=timedelta(minutes=30), backorder=timedelta(days=30), look=timedelta(hours=1)
)
NO_STOCK_WAIT: Final = StockWait(hold=timedelta(0), backorder=timedelta(days=30), look=timedelta(0))
