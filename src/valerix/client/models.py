"""Models of the API's answers: the generated ones, and those that OpenAPI cannot describe."""

from valerix.client.base import Model as Model
from valerix.client.base import Page as Page
from valerix.client.generated import *  # noqa: F403 - the names in its __all__
from valerix.client.generated import Order
from valerix.contracts.money import Money as Money


class PlacedOrder(Order, frozen=True, kw_only=True, rename="camel"):
    """The answer to "place"."""

    replayed: bool = False
    """True if the key was used before: this is the order placed then, as it was answered then."""
