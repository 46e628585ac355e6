"""Connects the flows of inventory to one database."""

from datetime import timedelta
from typing import NamedTuple

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.postgres.database import Database
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.reservations import ReservationsRepository
from valerix.inventory.repository.stock import StockRepository
from valerix.inventory.repository.waiting import WaitingRepository
from valerix.inventory.reserving import Reserving
from valerix.inventory.use_cases import Stock
from valerix.inventory.waiting_list import WaitingList

TABLES = [
    "products",
    "warehouses",
    "stock",
    "reservations",
    "movements",
    "waiting_orders",
    "waiting_lines",
    "keyed_changes",
    "acts",
    "inventory",
    "outbox",
    "inbox",
    "dead_letters",
]


class Settings(ServiceSettings, frozen=True, kw_only=True):
    database_url: str
    database_connections: int = 8
    """Up to three serve reserving, three the ending of reservations, the rest everything else."""
    orders_url: tuple[str, ...]

    set_aside_hours: float = 24.0
    """Hours for which units stay set aside for a backorder that lacks others, while they could
    complete another backorder.
    """


class StockFlows(NamedTuple):
    """The flows of stock: those of orders, those of staff, and those of products and warehouses."""

    reserving: Reserving
    stock: Stock
    catalogue: Catalogue


def connect(database: Database, set_aside: timedelta = timedelta(days=1)) -> StockFlows:
    """Build the flows over the database. `set_aside`: see `Settings.set_aside_hours`."""
    stock, catalogue = StockRepository(), CatalogueRepository()
    waiting = WaitingList(stock, WaitingRepository())
    return StockFlows(
        Reserving(database, stock, ReservationsRepository(), waiting, set_aside),
        Stock(database, stock, catalogue, waiting),
        Catalogue(database, catalogue, stock, waiting),
    )
