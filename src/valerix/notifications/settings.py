"""Settings of the notifications service."""

from datetime import timedelta
from typing import Final

from valerix.chassis.base.settings import ServiceSettings
from valerix.notifications.links import Links
from valerix.notifications.use_cases import DeliveryRules

SMTP_BATCH: Final = 8
SIMULATED_BATCH: Final = 256


class Settings(ServiceSettings, frozen=True, kw_only=True):
    niceness: int = 5
    """Orders have priority; messages about them can wait a moment."""
    database_connections: int = 8
    smtp_url: str = ""
    """`smtp://` or `smtps://[user:password@]host[:port]`; when empty, sending is simulated."""
    smtp_from: str = "Valerix <no-reply@valerix.example>"
    mail_secret: str = ""
    """Shared with users: the links in mails are derived from it.

    When empty, mails with links are not sent.
    """
    public_url: str = ""
    """Public address of the console, e.g. `https://shop.example`: links in mails begin with it."""
    operators_email: str = ""
    """Address of the operators; without it SMTP cannot deliver their messages, and they end as
    skipped.
    """
    hourly_limit: int = 20
    """Messages that one recipient gets per hour and channel; further messages wait."""
    first_retry_seconds: float = 5.0
    live_events_kept: int = 100_000
    max_sockets: int = 5_000

    @property
    def links(self) -> Links:
        """How links in mails are made and shown."""
        return Links(self.mail_secret, self.public_url, simulated=not self.smtp_url)

    @property
    def rules(self) -> DeliveryRules:
        """Limits of sending; over SMTP the batches are small, because each message takes a
        while.
        """
        batch = SMTP_BATCH if self.smtp_url else SIMULATED_BATCH
        lease = timedelta(seconds=self.send_lease_seconds)
        return DeliveryRules(
            batch, self.hourly_limit, self.first_retry_seconds, self.operators_email, lease
        )
