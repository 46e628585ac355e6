"""Events in: customers for the read model, and backorders that may continue."""

from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import (
    CUSTOMER_REGISTERED,
    CUSTOMER_UPDATED,
    INVENTORY,
    INVENTORY_RESERVATION_READY,
    USERS,
    Event,
)
from valerix.orders.order import CustomerSeen
from valerix.orders.read_model import ReadModel

CONSUMER = "orders"
TOPICS = (USERS, INVENTORY)
NAMES = (CUSTOMER_REGISTERED, CUSTOMER_UPDATED, INVENTORY_RESERVATION_READY)


def inbox(database: Database, bus: Bus, read_model: ReadModel) -> Inbox:
    """Build the inbox of the one consumer of orders, for any process that needs it."""

    async def consume(tx: Transaction, events: list[Event]) -> None:
        """Apply the effect of a batch, in the transaction of its inbox mark."""
        if customers := [e for e in events if e.name in (CUSTOMER_REGISTERED, CUSTOMER_UPDATED)]:
            seen = [
                CustomerSeen(e.data["customerId"], e.data["status"], e.sequence) for e in customers
            ]
            await read_model.remember_customers(tx, seen)
        if ready := [e.data["orderId"] for e in events if e.name == INVENTORY_RESERVATION_READY]:
            await read_model.wake(tx, ready)

    return Inbox(database, bus, CONSUMER, TOPICS, NAMES, consume)
