"""Senders of messages: simulated (the default), or e-mail over SMTP.

A message is sent again when its process dies after sending and before recording it. So over SMTP a
recipient may, rarely, get a message twice. Both copies carry the same Message-ID, made from the
notification's id, by which mail systems recognise them.

SendError
├── AddressUnknown   the address of the recipient is not known (yet)
└── SendRefused      for good: another attempt would not help
After any other error the message is tried again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from valerix.chassis.base import timeouts
from valerix.chassis.base.settings import SettingsError
from valerix.notifications import metrics
from valerix.notifications.domain import EMAIL, SMS, Notification

log = structlog.get_logger()
SMTP_SECONDS = 10.0
"""Timeout of each step of the dialogue with a mail server."""
PORTS = {"smtp": 25, "smtps": 465}


class SendError(Exception):
    """Base of the errors that senders raise on purpose."""


class AddressUnknown(SendError):
    """No address is known. Perhaps the event about the customer has not arrived yet."""


class SendRefused(SendError):
    """The mail server refuses this message, now and later."""


class OutgoingMessage(NamedTuple):
    """A message and the address it goes to; `email` is None when the address is unknown."""

    notification: Notification
    email: str | None


Send = Callable[[OutgoingMessage], Awaitable[None]]
"""Returns once the message is handed over.

On any error except SendRefused the message is tried again.
"""


async def simulate(outgoing: OutgoingMessage) -> None:
    """Only log the message. The log has no personal data: the recipient is in the table."""
    message = outgoing.notification
    log.info(
        "message sent (simulated)",
        notification_id=message.id,
        channel=message.channel,
        template=message.template,
    )


class SmtpSender:
    """Hands e-mail to the mail server at `smtp://` or `smtps://[user:password@]host[:port]`.

    With `smtps` the connection is encrypted from the start; with `smtp` it is encrypted if the
    server offers that. A password is never sent in clear text: with a user, encryption is required.
    Raises SettingsError.
    """

    def __init__(self, url: str, sender: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise SettingsError("VALERIX_SMTP_URL: expected smtp://host or smtps://host")
        self._host = parts.hostname
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._encrypted = parts.scheme == "smtps"
        self._sender = sender
        self._timeout_seconds = timeout_seconds

    async def send(self, outgoing: OutgoingMessage) -> None:
        """Hands the message to the mail server.

        Raises AddressUnknown, SendRefused, or a network error.
        """
        if outgoing.email is None:
            raise AddressUnknown("No address is known")
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._hand_over(self._compose(outgoing))
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _judged(error.recipients[0].code) from None
        except aiosmtplib.SMTPDataError as error:
            raise _judged(error.code) from None
        finally:
            metrics.email_seconds.observe(time.perf_counter() - started)

    async def _hand_over(self, message: EmailMessage) -> None:
        await aiosmtplib.send(
            message,
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._encrypted,
            start_tls=None if self._user is None or self._encrypted else True,
            timeout=SMTP_SECONDS,
        )

    def _compose(self, outgoing: OutgoingMessage) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        # Without the name: it is chosen at sign-up, and the address may belong to another person.
        message["To"] = outgoing.email or ""
        message["Subject"] = outgoing.notification.subject
        message["Date"] = format_datetime(outgoing.notification.created_at)
        message["Message-ID"] = (
            f"<{outgoing.notification.id}@{self._sender.rpartition('@')[2].strip('> ')}>"
        )
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(outgoing.notification.body)
        return message


def channels(
    smtp_url: str, sender: str, timeout_seconds: float = timeouts.DEFAULT.send_timeout_seconds
) -> dict[str, Send]:
    """The senders by channel: SMTP if `smtp_url` is set, else simulated. Raises SettingsError."""
    email = SmtpSender(smtp_url, sender, timeout_seconds).send if smtp_url else simulate
    return {EMAIL: email, SMS: simulate}


def _judged(code: int) -> Exception:
    """The error for a reply code, by RFC 5321: 5xx is final, 4xx is not.

    The server's text may quote the address, so it is not kept.
    """
    return (
        SendRefused(f"mail server answered {code}")
        if code >= 500
        else ConnectionError(f"mail server answered {code}")
    )
