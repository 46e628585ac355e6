"""Rules: the recipient of an event, the messages about it, and the delay between attempts.

No I/O, no clock.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from valerix.contracts import events
from valerix.contracts.errors import DomainError
from valerix.contracts.events import Event
from valerix.contracts.mails import LIFE_SECONDS
from valerix.contracts.states import NotificationStatus

EMAIL: Final = "email"
SMS: Final = "sms"
CHANNELS: Final = (EMAIL, SMS)
OPERATORS: Final = "operators"
"""A recipient: the operators of the shop, reached at one address that they share."""
MAX_ATTEMPTS: Final = 16
"""Reached after about eight hours."""
MAX_DELAY_SECONDS: Final = 3600.0

CONFIRM_EMAIL: Final = "confirm_email"
RESET_PASSWORD: Final = "reset_password"  # noqa: S105 - a template
EMAIL_CHANGED: Final = "email_changed"

NOTIFICATIONS_BY_EVENT: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    events.ORDER_CONFIRMED: ((EMAIL, "order_confirmed"),),
    events.ORDER_SHIPPED: ((EMAIL, "order_shipped"), (SMS, "order_shipped")),
    events.ORDER_COMPLETED: ((EMAIL, "order_completed"),),
    events.ORDER_HELD: ((EMAIL, "order_held"),),
    events.ORDER_FAILED: ((EMAIL, "order_failed"),),
    events.ORDER_CANCELLED: ((EMAIL, "order_cancelled"),),
    events.PAYMENT_REFUNDED: ((EMAIL, "payment_refunded"),),
    events.INVENTORY_LOW_STOCK: ((EMAIL, "low_stock"),),
    events.ACCOUNT_CONFIRMATION_REQUESTED: ((EMAIL, CONFIRM_EMAIL),),
    events.ACCOUNT_RESET_REQUESTED: ((EMAIL, RESET_PASSWORD),),
    events.ACCOUNT_EMAIL_CHANGED: ((EMAIL, EMAIL_CHANGED),),
}
"""Channels and templates of the messages about an event; other events cause no message.

All events except NOT_LIVE are shown live.
"""
PAGES: Final = {CONFIRM_EMAIL: "confirm-email", RESET_PASSWORD: "reset-password"}
"""Page of the console that the link in a mail opens, by template."""
LINK: Final = "[link]"
"""Placeholder for the link in the stored text."""
TEMPLATES: Final = frozenset(
    one
    for messages in NOTIFICATIONS_BY_EVENT.values()
    for one in messages
    if one[1] not in {*PAGES, EMAIL_CHANGED}
)
"""Channel and template of the messages that may be sent by hand."""
STALE: Final = timedelta(days=1)
"""Messages this late are not sent, whether the event arrived late or the message waited long."""
NOT_LIVE: Final = frozenset(
    {
        events.ACCOUNT_CONFIRMATION_REQUESTED,
        events.ACCOUNT_RESET_REQUESTED,
        events.ACCOUNT_EMAIL_CHANGED,
    }
)
"""Events for one mailbox only: never shown live, because their data lets the reader in."""


class NotificationNotFound(DomainError):
    """No notification has this id, or it is not the caller's."""

    code = "notification_not_found"

    def __init__(self) -> None:
        super().__init__("There is no notification with this id")


class TemplateNeedsMore(DomainError):
    """The data lacks a value that the template shows."""

    code = "template_needs_more"


class Notification(NamedTuple):
    """One message to one recipient over one channel.

    `recipient`: a customer number, or OPERATORS.
    """

    id: str
    """Derived from occasion, channel and recipient (`ids.id_of`), so no message is queued twice.

    A message by request has a new id.
    """
    event_id: str | None
    """The occasion; None for a message sent by request."""
    channel: str
    template: str | None
    recipient: str
    subject: str
    body: str
    created_at: datetime
    status: NotificationStatus = NotificationStatus.QUEUED
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    sent_at: datetime | None = None


class Contact(NamedTuple):
    """Name and address of a customer.

    `sequence` is the customer's version: an older one changes nothing.
    """

    customer_id: str
    name: str
    email: str
    sequence: int


def owner_of(event: Event) -> str | None:
    """The customer an event belongs to; None for events that concern staff only."""
    owner = event.data.get("customerId")
    return owner if isinstance(owner, str) else None


def recipient_of(event: Event) -> str | None:
    """The recipient of the messages about an event; None when there is none."""
    if event.name == events.ACCOUNT_EMAIL_CHANGED:
        return former_owner_of(event)
    if event.name in NOT_LIVE:
        return account_of(event)
    return OPERATORS if event.name == events.INVENTORY_LOW_STOCK else owner_of(event)


def account_of(event: Event) -> str:
    """The account of an event of users as a recipient: customer number, or user id of staff."""
    return owner_of(event) or event.subject


def former_owner_of(event: Event) -> str:
    """The former address of an account as a recipient: its owner may be another person by now."""
    return f"{account_of(event)}/before/{event.sequence}"


def occasion(event: Event) -> tuple[datetime, str]:
    """Time and key of an occasion: at most one message per occasion, channel and recipient.

    The key is the event. For low stock it is the product, the hour and the delivery before it,
    because sales and releases around the threshold are events, too.
    """
    if event.name == events.INVENTORY_LOW_STOCK:
        hour = event.time.replace(minute=0, second=0, microsecond=0)
        delivery = (
            f"/{event.data['delivery']}" if "delivery" in event.data else ""
        )  # older events have none
        return hour, f"{event.source}/{event.data['productId']}/low/{hour:%Y-%m-%dT%H}{delivery}"
    return event.time, f"{event.source}/{event.id}"


def is_late(event: Event, now: datetime) -> bool:
    """Whether messages about an event are useless by now.

    Messages with a link are useless as soon as the link has expired.
    """
    return now - event.time > (timedelta(seconds=LIFE_SECONDS) if event.name in NOT_LIVE else STALE)


def delay_seconds(attempts: int, first_seconds: float, jitter: float) -> float:
    """Seconds to wait after `attempts` failures.

    Doubles up to an hour, times 0.5 to 1 by `jitter` in [0, 1].
    """
    return float(min(first_seconds * 2 ** (attempts - 1), MAX_DELAY_SECONDS) * (0.5 + jitter / 2))


def printable(text: str) -> str:
    """Text of another machine, fit to be stored and shown: control characters are replaced."""
    return "".join(character if character.isprintable() else "�" for character in text)
