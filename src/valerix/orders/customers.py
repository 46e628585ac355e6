"""The search for customers in users, by which staff find orders."""

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed
from valerix.chassis.calls.peers import Peer
from valerix.contracts.commands import FIND_CUSTOMERS, CustomersFound, FindCustomers

_found = msgspec.json.Decoder(CustomersFound)


async def find_customers(users: Peer, search: str, deadline: Deadline) -> list[str]:
    """Return the numbers of customers with a matching name or e-mail address.

    Returns none while users does not answer. Names and addresses stay in users, so no copy of them
    has to be kept correct here.
    """
    try:
        return (
            await users.post(FIND_CUSTOMERS, FindCustomers(search), _found, deadline=deadline)
        ).customer_ids
    except CallFailed:
        return []
