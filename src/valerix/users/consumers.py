"""Incoming events: the acts of staff in other services."""

from typing import Final

from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.postgres.database import Database
from valerix.contracts.events import ACT_RECORDED, ACTS
from valerix.users import audit

CONSUMER: Final = "users"


def inbox(database: Database, bus: Bus) -> Inbox:
    """The only consumer of this service: it records acts of staff in the audit."""
    return Inbox(database, bus, CONSUMER, (ACTS,), (ACT_RECORDED,), audit.record_events)
