"""What orders says about an order."""

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
    """The order as it stands now; only requests by hand ask. Raises OrderNotFound, NotSent when there is no answer."""
    return (await ask(orders, DESCRIBE_ORDERS, OrderRefs([order_id]), _described, deadline)).only()


async def find_orders(orders: Peer, search: str, deadline: Deadline) -> list[str]:
    """Ids of orders that end so; none while orders does not answer.

    No index on them is kept here: it would be written twice for each payment.
    """
    try:
        return (await orders.post(FIND_ORDERS, FindOrders(search), _found, deadline=deadline)).order_ids
    except CallFailed:
        return []
