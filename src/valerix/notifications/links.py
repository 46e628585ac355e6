"""Links that give access to an account: written when a mail is sent, shown to few (ADR 27)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from valerix.contracts.events import USERS
from valerix.contracts.mails import mail_token
from valerix.notifications.domain import LINK, PAGES, Notification
from valerix.notifications.senders import OutgoingMessage, Send, SendRefused

ACCOUNTS: Final = f"/valerix/{USERS}/"
HIDDEN: Final = "(the link is in the e-mail only)"


class Links(NamedTuple):
    """`secret`: shared with users. `public_url`: of the console.

    `simulated`: no mail leaves, so links are shown.
    """

    secret: str
    public_url: str
    simulated: bool

    def written(self, notification: Notification) -> Notification:
        """The notification as it is sent."""
        if notification.template not in PAGES or notification.event_id is None:
            return notification
        page, event_id = PAGES[notification.template], notification.event_id.removeprefix(ACCOUNTS)
        link = f"{self.public_url}/console/{page}#{mail_token(self.secret, event_id)}"
        return notification._replace(body=notification.body.replace(LINK, link))

    def shown(self, notification: Notification, *, entitled: bool) -> Notification:
        """The notification as the API shows it.

        `entitled`: the caller may see the link of a simulated mail.
        """
        if notification.template not in PAGES:
            return notification
        if entitled and self.simulated:
            return self.written(notification)
        return notification._replace(body=notification.body.replace(LINK, HIDDEN))


def with_links(links: Links, senders: Mapping[str, Send]) -> dict[str, Send]:
    """Wraps each sender, by channel: the link is written into a message before it is sent."""
    return {channel: _with_links(links, send) for channel, send in senders.items()}


def _with_links(links: Links, send: Send) -> Send:
    async def written(outgoing: OutgoingMessage) -> None:
        if outgoing.notification.template in PAGES and not links.secret:
            raise SendRefused("VALERIX_MAIL_SECRET is missing")
        await send(outgoing._replace(notification=links.written(outgoing.notification)))

    return written
