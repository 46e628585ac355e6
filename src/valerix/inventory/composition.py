"""The flows of inventory over one database."""

from typing import NamedTuple

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.postgres.database import Database
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.reservations import ReservationsRepository
from valerix.inventory.repository.stock import StockRepository
from valerix.inventory.use_cases import Stock

TABLES = [
    "products",
    "warehouses",
    "stock",
    "reservations",
    "movements",
    "keyed_changes",
    "acts",
    "inventory",
    "outbox",
    "inbox",
    "dead_letters",
]


class Settings(ServiceSettings, frozen=True, kw_only=True):
    database_url: str
    database_lanes: int = 8
    """Up to three for reserving, three for ending reservations, the rest for everything else."""
    orders_url: tuple[str, ...]


class StockFlows(NamedTuple):
    """What can be done with stock, and with products and warehouses."""

    stock: Stock
    catalogue: Catalogue


def connect(database: Database) -> StockFlows:
    stock, catalogue = StockRepository(), CatalogueRepository()
    return StockFlows(
        Stock(database, stock, ReservationsRepository(), catalogue), Catalogue(database, catalogue, stock)
    )
