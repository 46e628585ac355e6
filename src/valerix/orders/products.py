"""What inventory says of products before anything is reserved."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.contracts import commands
from valerix.orders.errors import UnknownProduct
from valerix.orders.saga import Services

_prices = msgspec.json.Decoder(commands.ProductPrices)


class Products:
    """Never the last word: what is charged is fixed when stock is reserved."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def prices(self, skus: list[str], deadline: Deadline) -> list[commands.PricedProduct | None]:
        """What each product costs now; None: it is not sold. Raises CallFailed."""
        command = commands.PriceProducts(skus)
        inventory = self._services.inventory
        return (await inventory.post(commands.PRICE_PRODUCTS, command, _prices, deadline=deadline)).outcomes

    async def find(self, name: str, deadline: Deadline) -> commands.PricedProduct:
        """By number or exact name. Raises UnknownProduct, also when several have that name, and CallFailed."""
        command = commands.NamedProducts([name])
        inventory = self._services.inventory
        reply = await inventory.post(commands.FIND_PRODUCTS, command, _prices, deadline=deadline)
        (product,) = reply.outcomes
        if product is None:
            raise UnknownProduct("There is no product with this number or name, or more than one with this name")
        return product
