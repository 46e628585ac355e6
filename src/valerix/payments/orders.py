"""What orders says about an order."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed, HttpClient, NotSent
from valerix.contracts.commands import DESCRIBE_ORDERS, OrderDescription, OrderOutcomes, OrderRefs
from valerix.contracts.errors import OrderNotFound

_described = msgspec.json.Decoder(OrderOutcomes)


async def get_order(orders: HttpClient, order_id: str, deadline: Deadline) -> OrderDescription:
    """The order as it stands now; only requests by hand ask. Raises OrderNotFound, NotSent when there is no answer."""
    try:
        reply = await orders.post(DESCRIBE_ORDERS, OrderRefs([order_id]), _described, deadline=deadline)
    except CallFailed as failure:  # to ask changes nothing: whatever became of it, nothing was done
        raise NotSent(failure.dependency, failure.reason, failure.retry_after_seconds) from failure
    (outcome,) = reply.outcomes
    if not isinstance(outcome, OrderDescription):
        raise OrderNotFound
    return outcome
