"""What orders says about an order."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import HttpClient
from valerix.contracts.commands import DESCRIBE_ORDERS, OrderDescription, OrderOutcomes, OrderRefs
from valerix.contracts.errors import OrderNotFound

_described = msgspec.json.Decoder(OrderOutcomes)


async def get_order(orders: HttpClient, order_id: str, deadline: Deadline) -> OrderDescription:
    """The order as it stands now; only requests by hand ask. Raises OrderNotFound, CallFailed."""
    reply = await orders.post(DESCRIBE_ORDERS, OrderRefs([order_id]), _described, deadline=deadline)
    (outcome,) = reply.outcomes
    if not isinstance(outcome, OrderDescription):
        raise OrderNotFound
    return outcome
