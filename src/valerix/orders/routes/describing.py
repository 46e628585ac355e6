"""Commands of other services about orders, in lists: describe, find, note refunds."""

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.http.raw import RawRoute, command_route
from valerix.contracts.commands import (
    DESCRIBE_ORDERS,
    FIND_ORDERS,
    NOTE_REFUNDS,
    FindOrders,
    NoteRefunds,
    OrderOutcomes,
    OrderRefs,
    OrdersFound,
)
from valerix.contracts.roles import ServiceName, calls_from
from valerix.orders.queries import Queries
from valerix.orders.refunds import RefundNotes
from valerix.orders.schemas import describe


def command_routes(queries: Queries, refunds: RefundNotes) -> list[RawRoute]:
    """Return the routes of the list-shaped commands of other services."""

    async def describe_orders(command: OrderRefs, _: Deadline) -> OrderOutcomes:
        found = await queries.find_all(command.order_ids)
        return OrderOutcomes(
            [describe(*each) for each in zip(command.order_ids, found, strict=True)]
        )

    async def find_orders(command: FindOrders, _: Deadline) -> OrdersFound:
        return OrdersFound(await queries.find_ids(command.search))

    checking = calls_from(ServiceName.INVENTORY, ServiceName.PAYMENTS)
    return [
        command_route(DESCRIBE_ORDERS, checking, OrderRefs, describe_orders),
        command_route(FIND_ORDERS, calls_from(ServiceName.PAYMENTS), FindOrders, find_orders),
        command_route(NOTE_REFUNDS, calls_from(ServiceName.PAYMENTS), NoteRefunds, refunds.note),
    ]
