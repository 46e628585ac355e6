"""Request and response bodies of the users API, with the limits of the requests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from valerix.chassis.base.problems import Problems, ProblemType, challenge
from valerix.contracts import text
from valerix.contracts.acts import ActRecorded
from valerix.contracts.events import ACCOUNT_EMAIL_CHANGED, ACT_RECORDED, ACTS, BY_SOURCE, USERS
from valerix.users import domain
from valerix.users.domain import COOKIE, AuditEntry, Session, User
from valerix.users.passwords import MAX_LENGTH, MIN_LENGTH
from valerix.users.tokens import TTL_SECONDS

Email = Annotated[str, msgspec.Meta(max_length=254, pattern=text.EMAIL)]
Name = Annotated[str, msgspec.Meta(max_length=100, pattern=text.PERSON)]

Role = Literal["customer", "operator", "admin"]
Status = Literal["active", "suspended"]
RoleShown = Annotated[str, msgspec.Meta(extra={"openapi": {"enum": [*get_args(Role)]}})]
StatusShown = Annotated[str, msgspec.Meta(extra={"openapi": {"enum": [*get_args(Status)]}})]


class RegisterBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A new customer account."""

    name: Name
    email: Email
    password: Annotated[str, msgspec.Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


class LoginBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The credentials of a sign-in, and the kind of session to open."""

    email: Annotated[str, msgspec.Meta(max_length=254), text.KNOWN]
    password: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH), text.KNOWN]
    session: Literal["token", "cookie"] = "token"
    """The keeper of the tokens. `token`: the program that signs in; `cookie`: a browser, in its
    cookies.
    """
    device_token: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """The device token of an earlier sign-in to this account. It admits the owner even while the
    password is being guessed.
    """


class RefreshBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The refresh token of the last sign-in or refresh."""

    refresh_token: Annotated[str, msgspec.Meta(max_length=100), text.KNOWN]


class ChangeUserBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The profile of a user; both fields are replaced."""

    name: Name
    email: Email
    current_password: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH)] | None = None
    """The caller's own password; needed when the e-mail address changes."""


class ChangePasswordBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The current and the new password of the caller."""

    current_password: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH), text.KNOWN]
    new_password: Annotated[str, msgspec.Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


MailToken = Annotated[str, msgspec.Meta(max_length=100)]


class ForgottenPasswordBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The e-mail address of an account with a forgotten password."""

    email: Annotated[str, msgspec.Meta(max_length=254)]


class ResetPasswordBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The token of the mail, and the new password."""

    token: MailToken
    new_password: Annotated[str, msgspec.Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


class ConfirmEmailBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The token of the mail that confirms an address."""

    token: MailToken


class ChangeRoleBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The new role of a user."""

    role: Role


class ChangeStatusBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The new status of a user."""

    status: Status


class UserView(msgspec.Struct, frozen=True, rename="camel"):
    """A user as the API shows it; also the data of its events."""

    id: str
    email: str
    name: str
    role: RoleShown
    status: StatusShown
    customer_id: str | None
    """Null for an account that never was a customer's."""
    version: int
    created_at: datetime
    updated_at: datetime
    email_confirmed: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether mails to the address reach the owner. Absent in events older than this field."""


class EmailChangedView(UserView, frozen=True, rename="camel", kw_only=True):
    """A user with a changed e-mail address."""

    former_email: str


EVENT_DATA: Final[dict[str, type]] = dict.fromkeys(BY_SOURCE[USERS], UserView) | {
    ACCOUNT_EMAIL_CHANGED: EmailChangedView
}
ACT_DATA: Final[dict[str, type]] = {ACT_RECORDED: ActRecorded}
"""Data of the topic of acts, which belongs to no single service. It is described here, where the
acts are kept.
"""
EVENTS: Final = {USERS: EVENT_DATA, ACTS: ACT_DATA}


class SignedIn(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The answer to a sign-in or refresh. It contains no tokens when they are in cookies."""

    user: UserView
    expires_in: int
    """Seconds until the access token expires."""
    refresh_expires_at: datetime
    """When the session ends, unless it is refreshed before."""
    access_token: str | None = None
    refresh_token: str | None = None
    token_type: str | None = None
    device_token: str | None = None
    """After a sign-in: send it with the next sign-in (within 400 days). It grants no access."""


class MailRequested(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a request for a mail. It is the same whether or not a mail is on its way."""

    expires_in: int
    """Seconds until the link in the mail expires."""


class SessionView(msgspec.Struct, frozen=True, rename="camel"):
    """One session: a device on which a user is signed in."""

    id: str
    kind: str
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    """When the session was last refreshed; active sessions refresh every few minutes."""
    expires_at: datetime
    current: bool
    """Whether this is the session of the caller."""


class AuditView(msgspec.Struct, frozen=True, rename="camel"):
    """An action on an account, or an act of staff in any service: actor, time and origin."""

    id: str
    occurred_at: datetime
    action: str
    actor: str | None
    """User id of the actor; null when not known."""
    role: str | None
    """Role of the actor; null when not known."""
    service: str
    """The service in which the action happened."""
    subject: str | None
    """Id of the object of the action: a user, an order, a payment, a product, …"""
    session_id: str | None
    address: str | None
    """Null for other services: their addresses are shown with the history of the subject."""
    user_agent: str | None
    details: dict[str, Any]
    trace_id: str


class CustomerView(msgspec.Struct, frozen=True, rename="camel"):
    """A customer, as shown to the customer and to staff."""

    customer_id: str
    name: str
    email: str
    status: StatusShown
    created_at: datetime


class PublicKeys(msgspec.Struct, frozen=True):
    """A key set (RFC 7517)."""

    keys: list[dict[str, str]]


def user_view(user: User) -> UserView:
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        status=user.status,
        customer_id=user.customer_number,
        version=user.version,
        created_at=user.created_at,
        updated_at=user.updated_at,
        email_confirmed=user.email_confirmed,
    )


def email_changed_view(user: User, former_email: str) -> EmailChangedView:
    shown = user_view(user)
    return EmailChangedView(
        **{name: getattr(shown, name) for name in shown.__struct_fields__},
        former_email=former_email,
    )


def signed_in(
    user: User, session: Session, access_token: str, refresh_token: str, devices: Sequence[str]
) -> SignedIn:
    shown = SignedIn(user_view(user), TTL_SECONDS, session.expires_at)
    if session.kind == COOKIE:
        return shown
    return msgspec.structs.replace(
        shown,
        access_token=access_token,
        refresh_token=refresh_token,
        token_type="Bearer",  # noqa: S106 - no password
        device_token=next(iter(devices), None),
    )


def session_view(session: Session, current: bool) -> SessionView:
    return SessionView(
        id=session.id,
        kind=session.kind,
        user_agent=session.user_agent,
        address=session.address,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        current=current,
    )


def audit_view(entry: AuditEntry) -> AuditView:
    return msgspec.convert(entry, AuditView, from_attributes=True)


def customer_view(user: User) -> CustomerView:
    """The view of a customer. The user must have a customer number."""
    assert user.customer_number is not None  # noqa: S101 - looked up by it
    return CustomerView(user.customer_number, user.name, user.email, user.status, user.created_at)


PROBLEMS: Final[Problems] = {
    domain.EmailTaken: ProblemType(409, "The e-mail address cannot be used"),
    domain.LoginRefused: ProblemType(401, "Sign-in refused", challenge()),
    domain.UserNotFound: ProblemType(404, "No such user"),
    domain.CustomerNotFound: ProblemType(404, "No such customer"),
    domain.RefreshRefused: ProblemType(401, "The session has ended", challenge("invalid_token")),
    domain.RefreshSuperseded: ProblemType(409, "The session was renewed elsewhere"),
    domain.SessionNotFound: ProblemType(404, "No such session"),
    domain.OwnAccount: ProblemType(403, "Not permitted on your own account"),
    domain.LastAdministrator: ProblemType(409, "The last administrator must remain"),
    domain.WrongPassword: ProblemType(403, "The password is wrong"),
    domain.MailTokenRefused: ProblemType(422, "The link is no longer valid"),
    domain.PasswordNeeded: ProblemType(403, "The current password is needed"),
}
"""The HTTP problem of each error of the domain."""
