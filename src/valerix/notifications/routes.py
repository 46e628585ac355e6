"""Routes of the notifications API: HTTP in, use case, HTTP out."""

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import Parameter

from valerix.chassis.base import idempotency, pagination, validation
from valerix.chassis.base.problems import Invalid
from valerix.chassis.description.openapi import LOCATION, answer, in_path
from valerix.chassis.identity.tokens import Principal
from valerix.chassis.messaging.acts import act_of
from valerix.contracts import text
from valerix.contracts.acts import NOTIFICATION_SENT, Actor
from valerix.contracts.ids import is_id
from valerix.contracts.roles import ADMIN, ANYONE, CUSTOMER, STAFF
from valerix.contracts.states import NotificationStatus
from valerix.notifications import domain
from valerix.notifications.domain import Notification, TemplateNeedsMore
from valerix.notifications.links import Links
from valerix.notifications.rendering import render
from valerix.notifications.schemas import NotificationView, SendBody, view
from valerix.notifications.use_cases import Notifications, Request, requested

PATH = "/api/v1/notifications"
Id = Annotated[str, in_path(text.UUID)]
Key = Annotated[str | None, Parameter(header="Idempotency-Key")]


@post(
    PATH + "/send",
    access=STAFF,
    tags=["notifications"],
    operation_id="sendNotification",
    example={"customerId": "CUST-001", "subject": "Your order", "body": "It is on its way."},
    status_code=202,
    responses={
        200: answer("Repeats the answer to an earlier request with the same key", NotificationView)
    },
    response_headers=[LOCATION],
    response_description="Queued",
    refuses=[TemplateNeedsMore],
)
async def send_notification(
    notifications: Notifications,
    principal: Principal,
    actor: Actor,
    data: SendBody,
    refusal: Invalid | None,
    key: Key = None,
) -> Response[NotificationView]:
    """Queue a message to a customer: either free text, or a template filled in with `data`."""
    parsed = idempotency.parse_key(key)
    composed = _composed(data)
    what = {"customerId": data.customer_id, "channel": data.channel, "template": data.template}
    request = Request(
        composed,
        idempotency.lookup_key(principal.subject, "POST", f"{PATH}/send", parsed)
        if parsed
        else None,
        idempotency.fingerprint(data) if parsed else None,
        act_of(actor, NOTIFICATION_SENT, composed.id, **what),
        refusal,
    )
    accepted, replayed = await notifications.request(request)
    return Response(
        view(accepted),
        status_code=200 if replayed else 202,
        headers={"Location": f"{PATH}/{accepted.id}"}
        | ({idempotency.REPLAYED: "true"} if replayed else {}),
    )


@get(PATH, access=ANYONE, tags=["notifications"], operation_id="listNotifications")
async def list_notifications(
    notifications: Notifications,
    links: Links,
    principal: Principal,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
    status: Annotated[
        str | None, Parameter(max_length=50, schema_extra={"enum": [*NotificationStatus]})
    ] = None,
    channel: Annotated[
        str | None, Parameter(max_length=50, schema_extra={"enum": [*domain.CHANNELS]})
    ] = None,
    customer_id: Annotated[str | None, Parameter(query="customerId", max_length=50)] = None,
) -> pagination.Page[NotificationView]:
    """List notifications, newest first. Customers see their own."""
    validation.check_one_of("status", status, tuple(NotificationStatus))
    validation.check_one_of("channel", channel, domain.CHANNELS)
    before = None if cursor is None else _cursor_id(cursor)
    owner = _owner(principal)
    if owner is not None and customer_id not in (None, owner):
        return pagination.Page([])
    rows = await notifications.search(
        limit=limit + 1,
        before=before,
        recipient=owner or customer_id,
        status=None if status is None else NotificationStatus(status),
        channel=channel,
    )
    found = pagination.page(
        rows, limit, lambda notification: pagination.encode_cursor(notification.id)
    )
    entitled = _may_follow_links(principal)
    items = [view(links.shown(notification, entitled=entitled)) for notification in found.items]
    return pagination.Page(items, found.next_cursor)


@get(
    PATH + "/{notification_id:str}",
    access=ANYONE,
    tags=["notifications"],
    operation_id="getNotification",
    refuses=[domain.NotificationNotFound],
)
async def get_notification(
    notifications: Notifications,
    links: Links,
    principal: Principal,
    notification_id: Id,
) -> NotificationView:
    """Get one notification. Customers see their own."""
    if not is_id(notification_id):
        raise domain.NotificationNotFound
    found = await notifications.get(notification_id, _owner(principal))
    return view(links.shown(found, entitled=_may_follow_links(principal)))


ROUTES = [send_notification, list_notifications, get_notification]


def _owner(principal: Principal) -> str | None:
    """The customer whose notifications this caller may see; None: all customers."""
    return principal.owner_id or "nobody" if principal.role == CUSTOMER else None


def _may_follow_links(principal: Principal) -> bool:
    """Whether this caller may see links in mails.

    Customers find only their own. An operator could take over an administrator's account with one.
    """
    return principal.role in (CUSTOMER, ADMIN)


def _composed(body: SendBody) -> Notification:
    """The message that a body requests. Raises Invalid, TemplateNeedsMore."""
    if body.template is not None:
        if (body.channel, body.template) not in domain.TEMPLATES:
            names = ", ".join(
                sorted(
                    template for channel, template in domain.TEMPLATES if channel == body.channel
                )
            )
            raise Invalid.of("template", f"Expected one of: {names}")
        _absent(body, "with a template", "subject", "body")
        text = render(body.channel, body.template, body.data or {})
        return requested(body.channel, body.template, body.customer_id, text.subject, text.body)
    if body.body is None:
        raise Invalid.of("body", "Send a template or free text")
    _absent(body, "without a template", "data")
    if (body.subject is None) == (body.channel == domain.EMAIL):
        raise Invalid.of("subject", "E-mail needs a subject; SMS has none")
    return requested(body.channel, None, body.customer_id, body.subject or "", body.body)


def _absent(body: SendBody, why: str, *names: str) -> None:
    for name in names:
        if getattr(body, name) is not None:
            raise Invalid.of(name, f"Not used {why}")


def _cursor_id(cursor: str) -> str:
    (notification_id,) = pagination.decode_cursor(
        cursor, tuple[Annotated[str, msgspec.Meta(pattern=text.UUID)]]
    )
    return notification_id
