"""Acts of staff: their names, and their form on the bus and in calls between services.

An act is a change that staff made, or that a service made through a public route. The names are
data and never change.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from valerix.contracts.roles import SERVICE

ORDER_PLACED: Final = "order.placed"
ORDER_CHANGED: Final = "order.changed"
ORDER_MOVED: Final = "order.moved"
ORDER_RETRIED: Final = "order.retried"
ORDER_CANCELLED: Final = "order.cancelled"
STOCK_ADJUSTED: Final = "stock.adjusted"
STOCK_UPDATED: Final = "stock.updated"
STOCK_RESERVED: Final = "stock.reserved"
STOCK_RELEASED: Final = "stock.released"
STOCK_COMMITTED: Final = "stock.committed"
PRODUCT_CREATED: Final = "product.created"
PRODUCT_REPLACED: Final = "product.replaced"
PRODUCT_DELETED: Final = "product.deleted"
WAREHOUSE_CREATED: Final = "warehouse.created"
PAYMENT_CAPTURED: Final = "payment.captured"
PAYMENT_REFUNDED: Final = "payment.refunded"
NOTIFICATION_SENT: Final = "notification.sent"
DEAD_LETTER_REPLAYED: Final = "dead_letter.replayed"
CHAOS_ARMED: Final = "chaos.armed"
CHAOS_ENDED: Final = "chaos.ended"

BY_STAFF: Final = "staff"

LIST_ACTS: Final = "/internal/v1/acts/list"
RECORD_ACT: Final = "/internal/v1/acts/record"
MAX_SUBJECTS: Final = 100


class Actor(msgspec.Struct, frozen=True):
    """The member of staff behind one request; in older records also a service."""

    id: str
    role: str
    address: str
    trace_id: str


class ActRecorded(msgspec.Struct, frozen=True, rename="camel"):
    """Data of the event: an act without the client address.

    The address stays in the service where the act happened.
    """

    act: str
    actor: str
    role: str
    subject: str
    """Id of the object of the act: an order, a payment, a product (SKU), a message, …"""
    what: dict[str, Any]
    """Details such as amount, reason and changed fields; never secrets."""


class RecordedAct(msgspec.Struct, frozen=True, rename="camel"):
    """An act as its service stores it."""

    id: str
    act: str
    actor: str
    role: str
    address: str | None
    """The client address; removed after one year."""
    trace_id: str
    subject: str
    what: dict[str, Any]
    occurred_at: datetime


class ActorView(msgspec.Struct, frozen=True, rename="camel"):
    """The actor of an act, the address it came from, and the trace that links all of it."""

    id: str
    role: str
    address: str | None
    trace_id: str


class By(msgspec.Struct, frozen=True, rename="camel"):
    """Marks a history entry as an act of staff, or of a service through a public route.

    `actor` is shown to staff only.
    """

    kind: Literal["staff", "service"]
    actor: ActorView | msgspec.UnsetType = msgspec.UNSET


def by(act: RecordedAct, *, to_staff: bool) -> By:
    """Return the origin of an act; customers do not see the actor."""
    kind: Literal["staff", "service"] = "service" if act.role == SERVICE else BY_STAFF
    return By(
        kind,
        ActorView(act.actor, act.role, act.address, act.trace_id) if to_staff else msgspec.UNSET,
    )


class ListActs(msgspec.Struct, frozen=True, rename="camel"):
    """A request for every act on these subjects."""

    subjects: Annotated[list[str], msgspec.Meta(max_length=MAX_SUBJECTS)]


class RecordedActs(msgspec.Struct, frozen=True, rename="camel"):
    """The acts found, oldest first."""

    acts: list[RecordedAct]


class RecordAct(msgspec.Struct, frozen=True, rename="camel"):
    """An act of a service that may have no database, on its way to the audit.

    The bearer token identifies the actor.
    """

    id: str
    """Id of the act: a repeated request has no second effect."""
    service: str
    act: str
    subject: str
    what: dict[str, Any]
    address: str
