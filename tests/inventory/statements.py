"""The statements of inventory, for tests that run them directly."""

from valerix.inventory.repository.catalogue import CatalogueRepository
from valerix.inventory.repository.reservations import ReservationsRepository
from valerix.inventory.repository.stock import StockRepository
from valerix.inventory.repository.waiting import WaitingRepository

CATALOGUE = CatalogueRepository()
RESERVATIONS = ReservationsRepository()
STOCK = StockRepository()
WAITING = WaitingRepository()
