"""What the API answers with: the generated models, and what a description of the API cannot say."""

from valerix.client.base import Model as Model
from valerix.client.base import Page as Page
from valerix.client.generated import *  # noqa: F403 - the names in its __all__
from valerix.client.generated import Order
from valerix.contracts.money import Money as Money


class PlacedOrder(Order, frozen=True, kw_only=True, rename="camel"):
    """The answer to "place"."""

    replayed: bool = False
    """This key was used before: the order is the one placed then, as it was answered then."""
