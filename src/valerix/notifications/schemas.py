"""Bodies of the notifications API: what comes in, with its limits, and what goes out."""

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
    """Either a template and its data, or free text: `body`, and for e-mail `subject`.

    `customerId` may be `operators`.
    """

    customer_id: Key
    channel: Channel = "email"
    template: Annotated[str, msgspec.Meta(max_length=50)] | None = None
    data: Annotated[dict[str, Any], text.LINES] | None = None
    subject: Subject | None = None
    body: Body | None = None


class NotificationView(msgspec.Struct, frozen=True, rename="camel"):
    """A notification as the API shows it.

    `failed`: refused for good, or tried too often; `skipped`: no address, or a day late.
    `customerId` is `operators` for what goes to the staff, `CUST-001/before/7` for the address of before version 7.
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
"""What HTTP makes of each error of the domain."""
