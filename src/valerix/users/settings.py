"""The settings of the users service."""

from valerix.chassis.base.settings import ServiceSettings
from valerix.users.domain import SessionRules


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """One thread checks some thirty passwords a second; more take CPU from the other services."""

    niceness: int = 5
    """Niceness of the process: requests of signed-in users to the other services go first.

    An order calls this service only for a customer that neither an event nor a recent check has
    shown to be valid.
    """
    password_threads: int = 1
    password_queue: int = 64
    """Sign-ins that may wait for a thread; one more is answered 503."""
    session_idle_days: float = 7.0
    session_max_days: float = 30.0
    """A session ends when it was not refreshed for `session_idle_days`, and in any case after
    `session_max_days`.
    """
    guesses_here: int = 20
    """Wrong passwords for one account from one address (IPv6: /64) in ten minutes. 0: no limit,
    here and in the settings below.
    """
    guesses_per_address: int = 100
    """Wrong passwords from one address in ten minutes."""
    guesses_per_account: int = 1_800
    """Wrong passwords for one account in an hour, evenly: one per two seconds, 43,200 in a day.
    With less than 120, an owner on a new device may have to wait for longer than 30 seconds.
    """
    guesses_per_device: int = 20
    """Wrong passwords from one device that signed in to the account before, in ten minutes."""
    registrations_per_address: int = 300
    """Registrations from one address in an hour."""
    mail_secret: str = ""
    """Shared with notifications; mails with links depend on it. Without it, none are requested."""
    mails_per_account: int = 5
    """Mails with links that one account receives on request, in an hour."""
    mails_per_address: int = 30
    """Such mails requested from one address, in an hour."""
    conflicts_per_address: int = 10
    """Answers in an hour, to one address, that an e-mail address is in use."""

    @property
    def session_rules(self) -> SessionRules:
        return SessionRules(self.session_idle_days, self.session_max_days)
