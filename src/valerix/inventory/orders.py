"""Queries an order from the orders service."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.peers import Peer, ask
from valerix.contracts.commands import DESCRIBE_ORDERS, OrderDescription, OrderOutcomes, OrderRefs

_described = msgspec.json.Decoder(OrderOutcomes)


async def get_order(orders: Peer, order_id: str, deadline: Deadline) -> OrderDescription:
    """Query the current state of an order; only requests by hand do so.

    Raises OrderNotFound, and NotSent when there is no answer.
    """
    return (await ask(orders, DESCRIBE_ORDERS, OrderRefs([order_id]), _described, deadline)).only()
