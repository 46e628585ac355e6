"""The events between services: CloudEvents 1.0 in JSON.

Names are in the past tense and versioned (`valerix.order.confirmed.v1`). On the wire events travel
in batches (`application/cloudevents-batch+json`). A batch is the unit of publication; its id never
changes, however often it is sent. Events of one subject arrive in the order of their `sequence`.
The data of an event is its aggregate's public representation at that version.
"""

from datetime import datetime
from typing import Any, Final

import msgspec

from valerix.contracts.states import ReservationStatus

PREFIX: Final = "valerix."
VERSION: Final = ".v1"

ORDERS: Final = "orders"
INVENTORY: Final = "inventory"
PAYMENTS: Final = "payments"
USERS: Final = "users"
NOTIFICATIONS: Final = "notifications"
SOURCES: Final = (ORDERS, INVENTORY, PAYMENTS, USERS)
"""Services with a topic of their own; the topic has the name of the service."""
ACTS: Final = "acts"
"""The topic of acts of staff in all services.

It is separate: consumers of orders do not read acts, and the consumer of acts does not read orders.
"""
ACT_SOURCES: Final = (ORDERS, INVENTORY, PAYMENTS, NOTIFICATIONS)
"""Services that emit acts; acts in users are written to its audit directly."""
TOPICS: Final = (*SOURCES, ACTS)

ORDER_CREATED: Final = "order.created"
ORDER_CONFIRMED: Final = "order.confirmed"
ORDER_PROCESSING: Final = "order.processing"
ORDER_SHIPPED: Final = "order.shipped"
ORDER_COMPLETED: Final = "order.completed"
ORDER_HELD: Final = "order.held"
ORDER_FAILED: Final = "order.failed"
ORDER_CANCELLED: Final = "order.cancelled"
ORDER_REFUNDED: Final = "order.refunded"
INVENTORY_UPDATED: Final = "inventory.updated"
INVENTORY_LOW_STOCK: Final = "inventory.low_stock"
INVENTORY_RESTOCKED: Final = "inventory.restocked"
INVENTORY_RESERVATION_READY: Final = "inventory.reservation_ready"
PAYMENT_CAPTURED: Final = "payment.captured"
PAYMENT_DECLINED: Final = "payment.declined"
PAYMENT_REFUNDED: Final = "payment.refunded"
CUSTOMER_REGISTERED: Final = "customer.registered"
CUSTOMER_UPDATED: Final = "customer.updated"
ACCOUNT_CONFIRMATION_REQUESTED: Final = "account.confirmation_requested"
ACCOUNT_RESET_REQUESTED: Final = "account.reset_requested"
ACCOUNT_EMAIL_CHANGED: Final = "account.email_changed"
ACT_RECORDED: Final = "act.recorded"

BY_SOURCE: Final[dict[str, tuple[str, ...]]] = {
    ORDERS: (
        ORDER_CREATED,
        ORDER_CONFIRMED,
        ORDER_PROCESSING,
        ORDER_SHIPPED,
        ORDER_COMPLETED,
        ORDER_HELD,
        ORDER_FAILED,
        ORDER_CANCELLED,
        ORDER_REFUNDED,
    ),
    INVENTORY: (
        INVENTORY_UPDATED,
        INVENTORY_LOW_STOCK,
        INVENTORY_RESTOCKED,
        INVENTORY_RESERVATION_READY,
    ),
    PAYMENTS: (PAYMENT_CAPTURED, PAYMENT_DECLINED, PAYMENT_REFUNDED),
    USERS: (
        CUSTOMER_REGISTERED,
        CUSTOMER_UPDATED,
        ACCOUNT_CONFIRMATION_REQUESTED,
        ACCOUNT_RESET_REQUESTED,
        ACCOUNT_EMAIL_CHANGED,
    ),
    ACTS: (ACT_RECORDED,),
}
"""The events on each topic.

History entries that are not listed here (such as an order's delays) are not published.
"""


CONSUMERS: Final[dict[str, tuple[str, ...]]] = {
    ORDERS: ("inventory", "notifications"),
    INVENTORY: ("orders", "notifications"),
    PAYMENTS: ("notifications",),
    USERS: ("orders", "notifications"),
    ACTS: ("users",),
}
"""The consumers of each topic; the bus keeps every message until each of them has it."""


RESERVATION_ENDS: Final = {
    ORDER_SHIPPED: ReservationStatus.COMMITTED,
    ORDER_CANCELLED: ReservationStatus.RELEASED,
    ORDER_FAILED: ReservationStatus.RELEASED,
}
"""The end state of the reservation of an order, by the event that brings it there."""


def name_of(event_type: str) -> str:
    """Return the type without prefix and version: `order.confirmed`."""
    return event_type.removeprefix(PREFIX).removesuffix(VERSION)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The attributes of a CloudEvent.

    `id` is `<subject>:<sequence>`: the same event always has the same id.
    """

    id: str
    source: str
    """`/valerix/orders`, …"""
    type: str
    subject: str
    """Id of the aggregate: an order (also for its place on inventory's waiting list), a payment, a
    user or an act; `<sku>/<warehouse>` for the stock of a product in a warehouse.
    """
    time: datetime
    sequence: int
    """Version of the aggregate that this event created; without gaps, except for entries that are
    not published.
    """
    traceparent: str = ""
    specversion: str = msgspec.field(default_factory=lambda: "1.0")
    datacontenttype: str = msgspec.field(default_factory=lambda: "application/json")

    @property
    def name(self) -> str:
        """`order.confirmed`"""
        return name_of(self.type)


class Event(Envelope, frozen=True, kw_only=True):
    """An event as a consumer receives it."""

    data: dict[str, Any]


class Outgoing(Envelope, frozen=True, kw_only=True):
    """An event as the relay sends it; its data is JSON already."""

    data: msgspec.Raw


def outgoing(
    source: str,
    name: str,
    subject: str,
    sequence: int,
    time: datetime,
    data: str,
    traceparent: str = "",
) -> Outgoing:
    """Build the event `name` that the service `source` publishes about `subject`."""
    return Outgoing(
        id=f"{subject}:{sequence}",
        source=f"/valerix/{source}",
        type=f"{PREFIX}{name}{VERSION}",
        subject=subject,
        time=time,
        sequence=sequence,
        data=msgspec.Raw(data.encode()),
        traceparent=traceparent,
    )
