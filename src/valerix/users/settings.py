"""What the users service can be told."""

from valerix.chassis.base.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """One thread checks some thirty passwords a second; more take CPU away from the other services."""

    niceness: int = 5
    """Who is signed in goes first; nothing on the way of an order asks here."""
    password_threads: int = 1
    password_queue: int = 64
    """Sign-ins that may wait for a thread; one more is answered 503."""
    session_idle_days: float = 7.0
    session_max_days: float = 30.0
    """A session ends when it was not refreshed for so long, and in any case after so long."""
    guesses_here: int = 20
    """Wrong passwords for one account from one address in ten minutes; 0: no limit, here and below."""
    guesses_per_address: int = 100
    """Wrong passwords from one address in ten minutes."""
    guesses_per_account: int = 100
    """Wrong passwords for one account in an hour."""
    registrations_per_address: int = 300
    """In an hour."""
