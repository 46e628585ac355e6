"""Events in: what orders keep of customers, and backorders that may go on."""

from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import CUSTOMER_REGISTERED, CUSTOMER_UPDATED, INVENTORY, INVENTORY_RESTOCKED, USERS, Event
from valerix.orders import hearsay

CONSUMER = "orders"
TOPICS = (USERS, INVENTORY)
NAMES = (CUSTOMER_REGISTERED, CUSTOMER_UPDATED, INVENTORY_RESTOCKED)


def inbox(database: Database, bus: Bus) -> Inbox:
    """The one consumer of orders, wherever it runs."""
    return Inbox(database, bus, CONSUMER, TOPICS, NAMES, consume)


async def consume(tx: Transaction, events: list[Event]) -> None:
    """The effect of a batch, in the transaction of its inbox mark."""
    if customers := [e for e in events if e.name in (CUSTOMER_REGISTERED, CUSTOMER_UPDATED)]:
        await hearsay.remember_customers(tx, [(e.data["customerId"], e.data["status"], e.sequence) for e in customers])
    if restocked := {e.data["productId"] for e in events if e.name == INVENTORY_RESTOCKED}:
        await hearsay.wake_backorders(tx, sorted(restocked))
