"""The flows of inventory over one database."""

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
    """Up to three for reserving, three for ending reservations, the rest for everything else."""
    orders_url: tuple[str, ...]

    set_aside_hours: float = 24.0
    """How long units stay set aside for a backorder that lacks others, while they would complete another one."""


class StockFlows(NamedTuple):
    """What orders do with stock, what people do with it, and with products and warehouses."""

    reserving: Reserving
    stock: Stock
    catalogue: Catalogue


def connect(database: Database, set_aside: timedelta = timedelta(days=1)) -> StockFlows:
    """`set_aside`: see Settings."""
    stock, catalogue = StockRepository(), CatalogueRepository()
    waiting = WaitingList(stock, WaitingRepository())
    return StockFlows(
        Reserving(database, stock, ReservationsRepository(), waiting, set_aside),
        Stock(database, stock, catalogue, waiting),
        Catalogue(database, catalogue, stock, waiting),
    )
