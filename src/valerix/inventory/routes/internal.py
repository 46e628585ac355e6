"""Commands of the orders service about stock and products, in lists: the hot path."""

from typing import Final

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.http.raw import RawRoute, command_route
from valerix.contracts import commands
from valerix.contracts.commands import (
    NamedProducts,
    OrderRefs,
    PriceProducts,
    ProductPrices,
    ReservationStates,
    ReserveOutcomes,
    ReserveStocks,
)
from valerix.contracts.roles import ServiceName, calls_from
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.reserving import Reserving

ORDERS: Final = "valerix:orders"
"""The actor of stock movements through these commands."""


def command_routes(reserving: Reserving, catalogue: Catalogue) -> list[RawRoute]:
    """The internal commands of the orders service, all with lists."""

    async def reserve(command: ReserveStocks, deadline: Deadline) -> ReserveOutcomes:
        return ReserveOutcomes(await reserving.reserve(command.commands, ORDERS, deadline))

    async def release(command: OrderRefs, deadline: Deadline) -> ReservationStates:
        endings = domain.endings(command.order_ids, ReservationStatus.RELEASED)
        return ReservationStates(await reserving.end(endings, ORDERS, deadline))

    async def commit(command: OrderRefs, deadline: Deadline) -> ReservationStates:
        endings = domain.endings(command.order_ids, ReservationStatus.COMMITTED)
        return ReservationStates(await reserving.end(endings, ORDERS, deadline))

    async def find(command: NamedProducts, _: Deadline) -> ProductPrices:
        return ProductPrices(await catalogue.find(command.names))

    async def price(command: PriceProducts, _: Deadline) -> ProductPrices:
        return ProductPrices(await catalogue.prices(command.product_ids))

    orders = calls_from(ServiceName.ORDERS)
    return [
        command_route(commands.RESERVE_STOCK, orders, ReserveStocks, reserve),
        command_route(commands.RELEASE_STOCK, orders, OrderRefs, release),
        command_route(commands.COMMIT_STOCK, orders, OrderRefs, commit),
        command_route(commands.FIND_PRODUCTS, orders, NamedProducts, find),
        command_route(commands.PRICE_PRODUCTS, orders, PriceProducts, price),
    ]
