"""Queries orders from the orders service."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed
from valerix.chassis.calls.peers import Peer, ask
from valerix.contracts.commands import (
    DESCRIBE_ORDERS,
    FIND_ORDERS,
    FindOrders,
    OrderDescription,
    OrderOutcomes,
    OrderRefs,
    OrdersFound,
)

_described = msgspec.json.Decoder(OrderOutcomes)
_found = msgspec.json.Decoder(OrdersFound)


async def get_order(orders: Peer, order_id: str, deadline: Deadline) -> OrderDescription:
    """Query the current state of an order; only requests by hand do so.

    Raises OrderNotFound, and NotSent when there is no answer.
    """
    return (await ask(orders, DESCRIBE_ORDERS, OrderRefs([order_id]), _described, deadline)).only()


async def find_orders(orders: Peer, search: str, deadline: Deadline) -> list[str]:
    """Find the ids of orders that end with `search`; none while orders does not answer.

    This service keeps no index on the ends of order ids: each payment would have to write it twice.
    """
    try:
        return (
            await orders.post(FIND_ORDERS, FindOrders(search), _found, deadline=deadline)
        ).order_ids
    except CallFailed:
        return []
