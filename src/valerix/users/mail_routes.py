"""HTTP routes of account mails: confirm an address, set a new password."""

from typing import Final

from litestar import post

from valerix.chassis.identity.tokens import Principal
from valerix.chassis.limits.origin import Origin
from valerix.contracts.mails import LIFE_SECONDS
from valerix.contracts.roles import ANYONE, PUBLIC
from valerix.users import domain
from valerix.users.mails import AccountMails
from valerix.users.schemas import (
    ConfirmEmailBody,
    ForgottenPasswordBody,
    MailRequested,
    ResetPasswordBody,
)

USERS = "/api/v1/users"
EXAMPLE: Final = "an-example-of-the-token-in-a-link-of-a-mail"
"""An example of a token."""


@post(
    USERS + "/password/forgot",
    access=PUBLIC,
    tags=["users"],
    operation_id="forgotPassword",
    example={"email": "ada@example.com"},
    status_code=202,
)
async def forgot_password(
    mails: AccountMails, data: ForgottenPasswordBody, origin: Origin
) -> MailRequested:
    """Send a mail with a link that sets a new password. The answer is the same for an address
    without an account.
    """
    await mails.request_reset(data.email, origin)
    return MailRequested(round(LIFE_SECONDS))


@post(
    USERS + "/password/reset",
    access=PUBLIC,
    tags=["users"],
    operation_id="resetPassword",
    example={"token": EXAMPLE, "newPassword": "correct horse battery"},
    status_code=204,
    refuses=[domain.MailTokenRefused],
)
async def reset_password(mails: AccountMails, data: ResetPasswordBody, origin: Origin) -> None:
    """Set a new password with the token of a mail. The token is good for one use within 30 minutes.
    All sessions of the user end.
    """
    await mails.reset(data.token, data.new_password, origin)


@post(
    USERS + "/me/email/confirmation",
    access=ANYONE,
    tags=["users"],
    operation_id="requestEmailConfirmation",
    status_code=202,
)
async def request_email_confirmation(
    mails: AccountMails, principal: Principal, origin: Origin
) -> MailRequested:
    """Send another mail with a link that confirms the caller's own address."""
    await mails.request_confirmation(principal.subject, origin)
    return MailRequested(round(LIFE_SECONDS))


@post(
    USERS + "/email/confirm",
    access=PUBLIC,
    tags=["users"],
    operation_id="confirmEmail",
    example={"token": EXAMPLE},
    status_code=204,
    refuses=[domain.MailTokenRefused],
)
async def confirm_email(mails: AccountMails, data: ConfirmEmailBody, origin: Origin) -> None:
    """Confirm an e-mail address with the token of a mail. The token is good for one use within 30
    minutes.
    """
    await mails.confirm(data.token, origin)


ROUTES = [forgot_password, reset_password, request_email_confirmation, confirm_email]
