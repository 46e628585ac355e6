"""Bodies of the users API: what comes in, with its limits, and what goes out."""

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
    name: Name
    email: Email
    password: Annotated[str, msgspec.Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


class LoginBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    email: Annotated[str, msgspec.Meta(max_length=254), text.KNOWN]
    password: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH), text.KNOWN]
    session: Literal["token", "cookie"] = "token"
    """Who keeps the session: the program that signs in, or a browser in its cookies."""
    device_token: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    """Of an earlier sign-in to this account: lets its owner in while the password is being guessed."""


class RefreshBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    refresh_token: Annotated[str, msgspec.Meta(max_length=100), text.KNOWN]


class ChangeUserBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: Name
    email: Email
    current_password: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH)] | None = None
    """The caller's own; needed when the address is another one."""


class ChangePasswordBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    current_password: Annotated[str, msgspec.Meta(max_length=MAX_LENGTH), text.KNOWN]
    new_password: Annotated[str, msgspec.Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


MailToken = Annotated[str, msgspec.Meta(max_length=100)]


class ForgottenPasswordBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    email: Annotated[str, msgspec.Meta(max_length=254)]


class ResetPasswordBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    token: MailToken
    new_password: Annotated[str, msgspec.Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]


class ConfirmEmailBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    token: MailToken


class ChangeRoleBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    role: Role


class ChangeStatusBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    status: Status


class UserView(msgspec.Struct, frozen=True, rename="camel"):
    """A user as the API shows it; also the data of its events."""

    id: str
    email: str
    name: str
    role: RoleShown
    status: StatusShown
    customer_id: str | None
    """Null for staff."""
    version: int
    created_at: datetime
    updated_at: datetime
    email_confirmed: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether mails to the address reach the owner. Not in events of before there was this field."""


class EmailChangedView(UserView, frozen=True, rename="camel", kw_only=True):
    """A user whose address is another one now."""

    former_email: str


EVENT_DATA: Final[dict[str, type]] = dict.fromkeys(BY_SOURCE[USERS], UserView) | {
    ACCOUNT_EMAIL_CHANGED: EmailChangedView
}
ACT_DATA: Final[dict[str, type]] = {ACT_RECORDED: ActRecorded}
"""Of the topic of acts, which no one service has for its own; it is described here, where they are kept."""
EVENTS: Final = {USERS: EVENT_DATA, ACTS: ACT_DATA}


class SignedIn(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Without tokens when they are in cookies."""

    user: UserView
    expires_in: int
    """Seconds the access token is good for."""
    refresh_expires_at: datetime
    """When the session ends unless it is refreshed before."""
    access_token: str | None = None
    refresh_token: str | None = None
    token_type: str | None = None
    device_token: str | None = None
    """After a sign-in: to be sent with the next one (400 days). It opens nothing by itself."""


class MailRequested(msgspec.Struct, frozen=True, rename="camel"):
    """The same whether or not a mail is on its way."""

    expires_in: int
    """Seconds a link in it is good for."""


class SessionView(msgspec.Struct, frozen=True, rename="camel"):
    """One device a user is signed in on."""

    id: str
    kind: str
    user_agent: str
    address: str
    created_at: datetime
    last_used_at: datetime
    """When it was refreshed last: active sessions are every few minutes."""
    expires_at: datetime
    current: bool
    """Whether it is the caller's own."""


class AuditView(msgspec.Struct, frozen=True, rename="camel"):
    """Something done to an account, or an act of staff in any service: actor, time and origin."""

    id: str
    occurred_at: datetime
    action: str
    actor: str | None
    """User id; null when nobody knows."""
    role: str | None
    """Of the actor; null when not known."""
    service: str
    """Where it happened."""
    subject: str | None
    """Id of what it was done to: of a user, an order, a payment, a product, …"""
    session_id: str | None
    address: str | None
    """Null for other services: theirs is shown with the history of the subject."""
    user_agent: str | None
    details: dict[str, Any]
    trace_id: str


class CustomerView(msgspec.Struct, frozen=True, rename="camel"):
    """A customer as those see it who serve them."""

    customer_id: str
    name: str
    email: str
    status: StatusShown
    created_at: datetime


class PublicKeys(msgspec.Struct, frozen=True):
    """RFC 7517 key set."""

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
        **{name: getattr(shown, name) for name in shown.__struct_fields__}, former_email=former_email
    )


def signed_in(user: User, session: Session, access_token: str, refresh_token: str, devices: Sequence[str]) -> SignedIn:
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
    """Only of a user with a customer number."""
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
"""What HTTP makes of each error of the domain."""
