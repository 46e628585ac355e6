"""The user: a person with an account. No I/O, no clock.

A customer is a user with a customer number.
"""

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
"""The kinds of sessions: a program keeps the tokens, or a browser keeps them in cookies that no
script can read.
"""

LOGGED_OUT: Final = "logged_out"
REVOKED: Final = "revoked"
TOKEN_REUSED: Final = "refresh_token_reused"  # noqa: S105 - a reason
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105 - as above
PASSWORD_RESET: Final = "password_reset"  # noqa: S105 - as above
ROLE_CHANGED: Final = "role_changed"
STATUS_CHANGED: Final = "status_changed"
"""The reasons why a session ended."""


CONFIRM_EMAIL: Final = "confirm_email"
RESET_PASSWORD: Final = "reset_password"  # noqa: S105 - as above
"""The purposes of the tokens in mails."""
REQUESTED: Final = {
    CONFIRM_EMAIL: ACCOUNT_CONFIRMATION_REQUESTED,
    RESET_PASSWORD: ACCOUNT_RESET_REQUESTED,
}
"""The event that requests the mail of each purpose."""


class EmailTaken(DomainError):
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("An account with this e-mail address exists; sign in or use another one")


class LoginRefused(DomainError):
    """One answer for every reason: it must not show which addresses have an account."""

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
    """One answer for unknown, used, expired and revoked tokens."""

    code = "refresh_refused"

    def __init__(self) -> None:
        super().__init__("The refresh token is no longer valid; sign in again")


class RefreshSuperseded(DomainError):
    """Two tabs of one browser refreshed at once. They share their cookies, so this tab already has
    the tokens of the other one. This answer contains none.
    """

    code = "refresh_superseded"

    def __init__(self) -> None:
        super().__init__("The session was refreshed a moment ago; use the current cookies")


class SessionNotFound(DomainError):
    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such session, or it has ended")


class OwnAccount(DomainError):
    code = "own_account"

    def __init__(self) -> None:
        super().__init__(
            "Ask another administrator: a change of your own account might be impossible to undo"
        )


class LastAdministrator(DomainError):
    code = "last_administrator"

    def __init__(self) -> None:
        super().__init__("This is the only active administrator; create another one first")


class WrongPassword(DomainError):
    """Not 401: the caller is signed in, and signing in again would not help."""

    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong")


class MailTokenRefused(DomainError):
    """One answer for unknown, used and expired tokens."""

    code = "mail_token_refused"

    def __init__(self) -> None:
        super().__init__(
            "The link was used before, or is older than 30 minutes; request another mail"
        )


class PasswordNeeded(DomainError):
    code = "password_needed"

    def __init__(self) -> None:
        super().__init__(
            "A new e-mail address needs your current password; send it as currentPassword"
        )


@dataclass(frozen=True, slots=True)
class User:
    """A user account."""

    id: str
    email: str
    name: str
    role: str
    status: str
    customer_number: str | None
    """None for an account that never was a customer's."""
    version: int
    created_at: datetime
    updated_at: datetime
    email_confirmed: bool
    """Whether mails to the address reach the owner."""

    @property
    def may_sign_in(self) -> bool:
        """A suspended customer may sign in to see orders, but not place one (see `standing`)."""
        return self.status == ACTIVE or self.role == CUSTOMER


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """The data against which a sign-in is checked."""

    user: User
    password_hash: str
    device_secret: bytes
    """The key of the tokens of devices that signed in before."""


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a user, from sign-in to its end."""

    id: str
    user_id: str
    kind: str
    csrf: str | None
    """The value that a page repeats to prove that it belongs to this service; only with cookies."""
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long a session lasts: unused, and at most; and how many sessions a user may have before
    the oldest end.
    """

    idle_days: float = 7.0
    max_days: float = 30.0
    max_sessions: int = 200


@dataclass(frozen=True, slots=True)
class UsedToken:
    """A refresh token that was sent a second time."""

    session_id: str
    user_id: str
    kind: str
    just_now: bool

    @property
    def is_another_tab(self) -> bool:
        """Whether the token came from a second tab that refreshed at the same moment. A thief gains
        nothing from that either.
        """
        return self.kind == COOKIE and self.just_now


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An action on an account, or an act of staff in any service."""

    id: str
    action: str
    actor: str | None
    subject: str | None
    session_id: str | None
    address: str | None
    """None: the address is kept where the act happened."""
    user_agent: str | None
    trace_id: str
    details: Mapping[str, Any] = field(default_factory=dict)
    occurred_at: datetime | None = None
    """None: the time at which the entry is written."""
    service: str = USERS
    """The service in which the action happened."""
    role: str | None = None
    """Role of the actor; None when not known."""


@dataclass(frozen=True)
class AuditFilter:
    """The entries to list: up to `limit`, with ids below `before`, recorded in [first, last).

    None: no condition.
    """

    limit: int
    before: str | None
    action: str | None
    service: str | None
    actor: str | None
    subject: str | None
    first: datetime | None
    last: datetime | None


def check_administrators_remain(user_id: str, administrators: Collection[str]) -> None:
    """Check that an active administrator remains without `user_id`.

    `administrators`: the active ones. Raises LastAdministrator when `user_id` is the only one.
    """
    if set(administrators) == {user_id}:
        raise LastAdministrator


def changed_profile(before: User, after: User) -> list[str]:
    """The names of the changed fields of the profile; their values are personal data."""
    return [name for name in ("name", "email") if getattr(before, name) != getattr(after, name)]


def normal_email(text: str) -> str:
    """The form in which e-mail addresses are stored and compared."""
    return text.strip().lower()


def normal_name(text: str) -> str:
    return " ".join(text.split())


def customer_number(sequence: int) -> str:
    """The customer number of a place in the sequence: `CUST-001`, …, `CUST-999`, `CUST-1000`."""
    return f"CUST-{sequence:03d}"


def standing(status: str | None) -> str | None:
    """The reason why a customer with this status may not order; None: the customer may.

    The reason is `unknown` without a status.
    """
    if status is None:
        return "unknown"
    return None if status == ACTIVE else status


def event_type(customer_number: str | None, what: str) -> str:
    """The type of an event: `customer.registered`, `customer.updated`, or the same of `user`.

    `user` stands for accounts that never were customers; no other service knows these.
    """
    return f"{'user' if customer_number is None else 'customer'}.{what}"
