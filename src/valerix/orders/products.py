"""Product prices from inventory, before anything is reserved."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.peers import ask
from valerix.contracts import commands
from valerix.orders.errors import UnknownProduct
from valerix.orders.saga import Services

_prices = msgspec.json.Decoder(commands.ProductPrices)


class Products:
    """Looks up products and prices.

    A price from here is never final: the price to charge is fixed when stock is reserved.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def prices(
        self, skus: list[str], deadline: Deadline
    ) -> list[commands.PricedProduct | None]:
        """Return the present price of each product; None: it is not sold. Raises NotSent."""
        command = commands.PriceProducts(skus)
        return (
            await ask(self._services.inventory, commands.PRICE_PRODUCTS, command, _prices, deadline)
        ).outcomes

    async def find(self, name: str, deadline: Deadline) -> commands.PricedProduct:
        """Find a product by number or exact name.

        Raises UnknownProduct, also if several products have that name, and NotSent.
        """
        command = commands.NamedProducts([name])
        reply = await ask(
            self._services.inventory, commands.FIND_PRODUCTS, command, _prices, deadline
        )
        (product,) = reply.outcomes
        if product is None:
            raise UnknownProduct(
                "There is no product with this number or name, or more than one with this name"
            )
        return product
