"""The statements of orders, for tests that run them themselves."""

from valerix.orders.repository.bounds import BoundsRepository
from valerix.orders.repository.changes import ChangesRepository
from valerix.orders.repository.driving import DrivingRepository
from valerix.orders.repository.placing import PlacingRepository
from valerix.orders.repository.read_model import ReadModelRepository
from valerix.orders.repository.search import OrderSearchRepository

COUNTED = BoundsRepository()
PLACING = PlacingRepository()
DRIVING = DrivingRepository()
CHANGES = ChangesRepository()
SEARCH = OrderSearchRepository()
READ_MODEL = ReadModelRepository()
