"""Bodies of the notifications API: requests with their limits, and responses."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec

from valerix.chassis.base.problems import Problems, ProblemType
from valerix.contracts import text
from valerix.contracts.commands import Key
from valerix.contracts.states import NotificationStatus
from valerix.notifications import domain
from valerix.notifications.domain import Notification

Channel = Literal["email", "sms"]
Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Body = Annotated[str, msgspec.Meta(min_length=1, max_length=10_000), text.LINES]


class SendBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Either `template` and its `data`, or free text: `body`, and for e-mail a `subject`.

    `customerId` is a customer number, or `operators` for the operators of the shop.
    """

    customer_id: Key
    channel: Channel = "email"
    template: Annotated[str, msgspec.Meta(max_length=50)] | None = None
    data: Annotated[dict[str, Any], text.LINES] | None = None
    subject: Subject | None = None
    body: Body | None = None


class NotificationView(msgspec.Struct, frozen=True, rename="camel"):
    """One message to one recipient.

    Status `failed`: refused for good, or all attempts failed. Status `skipped`: no address is
    known, or the message was too late to be useful. `customerId` is `operators` for messages to
    staff, and `CUST-001/before/7` for the address that the customer had before version 7.
    """

    id: str
    customer_id: str
    channel: Annotated[str, msgspec.Meta(extra={"openapi": {"enum": [*domain.CHANNELS]}})]
    template: str | None
    subject: str
    body: str
    status: NotificationStatus
    attempts: int
    last_error: str | None
    event_id: str | None
    created_at: datetime
    sent_at: datetime | None


def view(notification: Notification) -> NotificationView:
    """The representation of `notification`."""
    return NotificationView(
        id=notification.id,
        customer_id=notification.recipient,
        channel=notification.channel,
        template=notification.template,
        subject=notification.subject,
        body=notification.body,
        status=notification.status,
        attempts=notification.attempts,
        last_error=notification.last_error,
        event_id=notification.event_id,
        created_at=notification.created_at,
        sent_at=notification.sent_at,
    )


PROBLEMS: Final[Problems] = {
    domain.NotificationNotFound: ProblemType(404, "No such notification"),
    domain.TemplateNeedsMore: ProblemType(422, "The template cannot be filled in"),
}
"""Status and title of each domain error in HTTP."""
