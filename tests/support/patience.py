"""How long orders of tests wait for stock."""

from datetime import timedelta
from typing import Final

from valerix.orders.decisions import Patience

PATIENCE: Final = Patience(hold=timedelta(minutes=30), backorder=timedelta(days=30), look=timedelta(hours=1))
NO_PATIENCE: Final = Patience(hold=timedelta(0), backorder=timedelta(days=30), look=timedelta(0))
