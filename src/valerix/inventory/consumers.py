"""Incoming events: the safety net behind the calls of the orders service.

If the call came first, the event finds the work done and changes nothing.
"""

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import ORDERS, RESERVATION_ENDS, Event
from valerix.inventory.domain import Ending
from valerix.inventory.reserving import Reserving

CONSUMER = "inventory"
TOPICS = (ORDERS,)


def inbox(database: Database, bus: Bus, reserving: Reserving, deadline_seconds: float) -> Inbox:
    """The only consumer of inventory. Goods of shipped orders leave the stock; goods of failed and
    cancelled orders go back to it.
    """

    async def consume(_: Transaction, events: list[Event]) -> None:
        await reserving.end(
            [Ending(event.subject, RESERVATION_ENDS[event.name]) for event in events],
            f"valerix:{ORDERS}",
            Deadline.after(deadline_seconds),
        )

    return Inbox(database, bus, CONSUMER, TOPICS, RESERVATION_ENDS, consume)
