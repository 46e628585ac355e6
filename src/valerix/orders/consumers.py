"""Events in: what orders keep of customers, and backorders that may go on."""

from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import CUSTOMER_REGISTERED, CUSTOMER_UPDATED, INVENTORY, INVENTORY_RESTOCKED, USERS, Event
from valerix.orders.order import CustomerSeen
from valerix.orders.read_model import ReadModel

CONSUMER = "orders"
TOPICS = (USERS, INVENTORY)
NAMES = (CUSTOMER_REGISTERED, CUSTOMER_UPDATED, INVENTORY_RESTOCKED)


def inbox(database: Database, bus: Bus, read_model: ReadModel) -> Inbox:
    """The one consumer of orders, wherever it runs."""

    async def consume(tx: Transaction, events: list[Event]) -> None:
        """The effect of a batch, in the transaction of its inbox mark."""
        if customers := [e for e in events if e.name in (CUSTOMER_REGISTERED, CUSTOMER_UPDATED)]:
            seen = [CustomerSeen(e.data["customerId"], e.data["status"], e.sequence) for e in customers]
            await read_model.remember_customers(tx, seen)
        if restocked := {e.data["productId"] for e in events if e.name == INVENTORY_RESTOCKED}:
            await read_model.wake_backorders(tx, sorted(restocked))

    return Inbox(database, bus, CONSUMER, TOPICS, NAMES, consume)
