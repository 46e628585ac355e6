"""Acts of staff between services: their names, and their form on the bus and in calls.

An act is a change that staff, or a service by a public route, made. Names are data: they stay.
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
    """A member of staff as one request shows them; in earlier records also a service."""

    id: str
    role: str
    address: str
    trace_id: str


class ActRecorded(msgspec.Struct, frozen=True, rename="camel"):
    """Data of the event: an act without the address it came from, which stays in the service where it happened."""

    act: str
    actor: str
    role: str
    subject: str
    """Id of what it was done to: of an order, a payment, a product (sku), a message, …"""
    what: dict[str, Any]
    """Amount, reason, changed fields, …: never secrets."""


class RecordedAct(msgspec.Struct, frozen=True, rename="camel"):
    """An act as its service keeps it."""

    id: str
    act: str
    actor: str
    role: str
    address: str | None
    """Forgotten after a year."""
    trace_id: str
    subject: str
    what: dict[str, Any]
    occurred_at: datetime


class ActorView(msgspec.Struct, frozen=True, rename="camel"):
    """Whose act it was, from where, and the trace that finds all of it."""

    id: str
    role: str
    address: str | None
    trace_id: str


class By(msgspec.Struct, frozen=True, rename="camel"):
    """That an entry of a history is an act of staff, or of a service by a public route. `actor` is for staff alone."""

    kind: Literal["staff", "service"]
    actor: ActorView | msgspec.UnsetType = msgspec.UNSET


def by(act: RecordedAct, *, to_staff: bool) -> By:
    """Without the actor for customers."""
    kind: Literal["staff", "service"] = "service" if act.role == SERVICE else BY_STAFF
    return By(kind, ActorView(act.actor, act.role, act.address, act.trace_id) if to_staff else msgspec.UNSET)


class ListActs(msgspec.Struct, frozen=True, rename="camel"):
    """Every act on these subjects."""

    subjects: Annotated[list[str], msgspec.Meta(max_length=MAX_SUBJECTS)]


class RecordedActs(msgspec.Struct, frozen=True, rename="camel"):
    """Oldest first."""

    acts: list[RecordedAct]


class RecordAct(msgspec.Struct, frozen=True, rename="camel"):
    """An act in a service that may have no database, on its way to the audit. The bearer's token says whose it is."""

    id: str
    """A repeated request has no second effect."""
    service: str
    act: str
    subject: str
    what: dict[str, Any]
    address: str
