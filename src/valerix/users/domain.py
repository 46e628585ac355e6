"""The user: somebody who signs in. A customer is a user with a customer number. No I/O, no clock."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from valerix.contracts.errors import DomainError
from valerix.contracts.events import ACCOUNT_CONFIRMATION_REQUESTED, ACCOUNT_RESET_REQUESTED, USERS
from valerix.contracts.roles import CUSTOMER

ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"

TOKEN: Final = "token"  # noqa: S105 - a kind of session
COOKIE: Final = "cookie"
"""Whether a program keeps the session's tokens, or a browser in cookies that no script can read."""

LOGGED_OUT: Final = "logged_out"
REVOKED: Final = "revoked"
TOKEN_REUSED: Final = "refresh_token_reused"  # noqa: S105 - a reason
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105 - as above
PASSWORD_RESET: Final = "password_reset"  # noqa: S105 - as above
ROLE_CHANGED: Final = "role_changed"
STATUS_CHANGED: Final = "status_changed"
"""Why a session ended."""


CONFIRM_EMAIL: Final = "confirm_email"
RESET_PASSWORD: Final = "reset_password"  # noqa: S105 - as above
"""What the reader of a mail may do."""
REQUESTED: Final = {CONFIRM_EMAIL: ACCOUNT_CONFIRMATION_REQUESTED, RESET_PASSWORD: ACCOUNT_RESET_REQUESTED}
"""The event that asks for the mail."""


class EmailTaken(DomainError):
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("An account with this e-mail address exists; sign in or use another one")


class LoginRefused(DomainError):
    """One answer for every reason: it must not tell which addresses have an account."""

    code = "login_refused"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong")


class UserNotFound(DomainError):
    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("There is no user with this id")


class CustomerNotFound(DomainError):
    code = "customer_not_found"

    def __init__(self) -> None:
        super().__init__("There is no customer with this number")


class RefreshRefused(DomainError):
    """One answer for unknown, used, expired and revoked."""

    code = "refresh_refused"

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid any more; sign in again")


class RefreshSuperseded(DomainError):
    """Two tabs of one browser share their cookies: what the other one got is this one's, too. Nothing is given here."""

    code = "refresh_superseded"

    def __init__(self) -> None:
        super().__init__("The session was refreshed a moment ago; go on with the cookies that are there now")


class SessionNotFound(DomainError):
    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such session, or it has ended")


class OwnAccount(DomainError):
    code = "own_account"

    def __init__(self) -> None:
        super().__init__("Ask another administrator: doing this to yourself could leave nobody who can undo it")


class LastAdministrator(DomainError):
    code = "last_administrator"

    def __init__(self) -> None:
        super().__init__("This is the only active administrator; make another one first")


class WrongPassword(DomainError):
    """Not 401: the caller is signed in, and signing in again would not help."""

    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("The current password is not right")


class MailTokenRefused(DomainError):
    """One answer for unknown, used and expired."""

    code = "mail_token_refused"

    def __init__(self) -> None:
        super().__init__("The link was used before, or is older than 30 minutes; ask for another mail")


class PasswordNeeded(DomainError):
    code = "password_needed"

    def __init__(self) -> None:
        super().__init__("Another e-mail address needs your current password: send it as currentPassword")


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str
    role: str
    status: str
    customer_number: str | None
    """Null for staff."""
    version: int
    created_at: datetime
    updated_at: datetime
    email_confirmed: bool
    """Whether mails to the address reach the owner."""

    @property
    def may_sign_in(self) -> bool:
        """A suspended customer may: to see their orders. What they may not is place one (see `standing`)."""
        return self.status == ACTIVE or self.role == CUSTOMER


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """What a sign-in is checked against."""

    user: User
    password_hash: str
    device_secret: bytes
    """Key of the tokens of the devices that signed in before."""


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    user_id: str
    kind: str
    csrf: str | None
    """What a page repeats to prove it is ours; only with cookies."""
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long a session lasts: unused, and at most; and how many a user may have before the oldest go."""

    idle_days: float = 7.0
    max_days: float = 30.0
    max_sessions: int = 200


@dataclass(frozen=True, slots=True)
class UsedToken:
    """A refresh token that was sent again."""

    session_id: str
    user_id: str
    kind: str
    just_now: bool

    @property
    def is_another_tab(self) -> bool:
        """Of two tabs that refresh at once one comes second. A thief gets nothing from that either."""
        return self.kind == COOKIE and self.just_now


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something done to an account, or an act of staff in any service."""

    id: str
    action: str
    actor: str | None
    subject: str | None
    session_id: str | None
    address: str | None
    """None: it is kept where it happened."""
    user_agent: str | None
    trace_id: str
    details: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None
    """None: now, when it is written."""
    service: str = USERS
    """Where it happened."""
    role: str | None = None
    """Of the actor; None when not known."""


@dataclass(frozen=True)
class AuditFilter:
    """Which entries to list: up to `limit`, with ids below `before`, told in [first, last); None: whatever it is."""

    limit: int
    before: str | None
    action: str | None
    service: str | None
    actor: str | None
    subject: str | None
    first: datetime | None
    last: datetime | None


def check_administrators_remain(user_id: str, administrators: Collection[str]) -> None:
    """`administrators`: the active ones. Raises LastAdministrator when `user_id` is the only one of them."""
    if set(administrators) == {user_id}:
        raise LastAdministrator


def changed_profile(before: User, after: User) -> list[str]:
    """The fields of the profile that are other ones; their values are personal data."""
    return [name for name in ("name", "email") if getattr(before, name) != getattr(after, name)]


def normal_email(text: str) -> str:
    """The form in which addresses are stored and compared."""
    return text.strip().lower()


def normal_name(text: str) -> str:
    return " ".join(text.split())


def customer_number(sequence: int) -> str:
    """`CUST-001`, …, `CUST-999`, `CUST-1000`."""
    return f"CUST-{sequence:03d}"


def standing(status: str | None) -> str | None:
    """Why a customer with this status may not order (`unknown` without one), or None when they may."""
    if status is None:
        return "unknown"
    return None if status == ACTIVE else status


def event_type(customer_number: str | None, what: str) -> str:
    """`customer.registered`, `customer.updated`; the same of `user` for those who never were one: nobody knows them."""
    return f"{'user' if customer_number is None else 'customer'}.{what}"
