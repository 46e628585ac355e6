"""Events in: queues the notifications that belong to each event."""

from typing import Final

from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import BY_SOURCE, SOURCES, Event
from valerix.notifications.use_cases import Notifications
from valerix.notifications.wakeups import Wakeups

CONSUMER: Final = "notifications"


def inbox(database: Database, bus: Bus, notifications: Notifications, wakeups: Wakeups) -> Inbox:
    """The only consumer of this service: all events of all sources."""

    async def notify(tx: Transaction, events: list[Event]) -> None:
        await notifications.notify(tx, events)
        wakeups.announce()

    return Inbox(
        database,
        bus,
        CONSUMER,
        SOURCES,
        [name for source in SOURCES for name in BY_SOURCE[source]],
        notify,
    )
