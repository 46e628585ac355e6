"""Events in: what orders keep of customers, and backorders that may go on."""

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
    """The one consumer of orders, wherever it runs."""

    async def consume(tx: Transaction, events: list[Event]) -> None:
        """The effect of a batch, in the transaction of its inbox mark."""
        if customers := [e for e in events if e.name in (CUSTOMER_REGISTERED, CUSTOMER_UPDATED)]:
            seen = [CustomerSeen(e.data["customerId"], e.data["status"], e.sequence) for e in customers]
            await read_model.remember_customers(tx, seen)
        if ready := [e.data["orderId"] for e in events if e.name == INVENTORY_RESERVATION_READY]:
            await read_model.wake(tx, ready)

    return Inbox(database, bus, CONSUMER, TOPICS, NAMES, consume)
