"""Mails that let their reader confirm an address or set a new password (ADR 27).

Each is good for one use, within half an hour. A request for an address is answered before the
address is looked up, so neither the answer nor its time shows whether the address has an account. A
request that was answered but not yet processed is lost when the process dies; the user then sends
it again.
"""

import asyncio
import hashlib
from functools import partial
from typing import Final, NamedTuple

import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.base.problems import Problem, Unavailable
from valerix.chassis.calls.revocations import Revocations
from valerix.chassis.limits.origin import Origin
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import ACCOUNT_EMAIL_CHANGED
from valerix.contracts.mails import LIFE_SECONDS, mail_token
from valerix.users import domain, history
from valerix.users.audit import record
from valerix.users.domain import User
from valerix.users.limits import SignInLimits
from valerix.users.passwords import PasswordPool, check_acceptable
from valerix.users.repository import accounts, mails, sessions
from valerix.users.schemas import email_changed_view

log = structlog.get_logger()
MAX_WAITING: Final = 1_000


class ResetRequest(NamedTuple):
    """A queued request to reset the password of an e-mail address."""

    email: str
    origin: Origin
    trace_id: str


class AccountMails:
    """The use cases of account mails.

    `secret`: shared with notifications; without it no mails are requested.
    """

    def __init__(
        self,
        database: Database,
        passwords: PasswordPool,
        revocations: Revocations,
        limits: SignInLimits,
        secret: str,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._revocations = revocations
        self._limits = limits
        self._secret = secret
        self._waiting: asyncio.Queue[ResetRequest] = asyncio.Queue(MAX_WAITING)

    async def request(self, tx: Transaction, user: User, purpose: str, actor: str) -> User:
        """Request a mail in the transaction of its occasion.

        Returns the user at the version of the event that requests it.
        """
        if not self._secret:
            return user
        user = await accounts.advance_version(tx, user.id)
        await history.append(tx, user, domain.REQUESTED[purpose], actor)
        token = mail_token(self._secret, f"{user.id}:{user.version}")
        await mails.insert_token(tx, _hash(token), user.id, purpose, LIFE_SECONDS)
        return user

    async def notify_former_address(
        self, tx: Transaction, user: User, former_email: str, actor: str
    ) -> User:
        """Request a mail to the former address: its owner may not know of the change.

        Returns the user as `request` does.
        """
        user = await accounts.advance_version(tx, user.id)
        show = partial(email_changed_view, former_email=former_email)
        await history.append(tx, user, ACCOUNT_EMAIL_CHANGED, actor, show)
        return user

    async def request_confirmation(self, user_id: str, origin: Origin) -> None:
        """Request another mail to the user's own address.

        Raises UserNotFound, RateLimited, Unavailable.
        """
        self._check_secret()
        await self._limits.mail_account(user_id)
        async with self._database.transaction() as tx:
            user = await accounts.hold_user(tx, user_id)
            if user is None:
                raise domain.UserNotFound
            await self.request(tx, user, domain.CONFIRM_EMAIL, user_id)
            await record(tx, "email.confirmation_requested", origin, actor=user_id, subject=user_id)

    async def confirm(self, token: str, origin: Origin) -> None:
        """Confirm an address with the token of a mail. Raises MailTokenRefused."""
        async with self._database.transaction() as tx:
            user = await _claim(tx, token, domain.CONFIRM_EMAIL)
            await _confirm(tx, user)
            await record(tx, "email.confirmed", origin, actor=user.id, subject=user.id)

    async def request_reset(self, email: str, origin: Origin) -> None:
        """Queue a request to reset the password of an address, whether or not it has an account.

        Raises RateLimited, Unavailable.
        """
        self._check_secret()
        await self._limits.mail_from(origin.network)
        if self._waiting.full():
            raise Unavailable("Too many password resets are waiting at this moment")
        self._waiting.put_nowait(
            ResetRequest(domain.normal_email(email), origin, telemetry.trace_id.get())
        )

    async def run(self) -> None:
        """Process the requests for resets until cancelled."""
        while True:
            request = await self._waiting.get()
            telemetry.trace_id.set(request.trace_id)
            try:
                await self._ask_for_reset(request)
            except Problem as error:
                log.info("no mail requested", reason=error.code)
            except Exception:  # the next request belongs to another user
                log.exception("requesting a mail failed")

    async def reset(self, token: str, new: str, origin: Origin) -> None:
        """Set a new password, which ends every session.

        Raises MailTokenRefused, Invalid, Unavailable.
        """
        self._passwords.check_capacity()
        async with self._database.connection() as connection:
            owner = await mails.find_token_owner(connection, _hash(token), domain.RESET_PASSWORD)
            user = await accounts.find_user(connection, owner, None) if owner else None
        if user is None:
            raise domain.MailTokenRefused
        check_acceptable(new, user.email, user.name, "/newPassword")
        new_hash = await self._passwords.hash(new)
        async with self._database.transaction() as tx:
            user = await _claim(tx, token, domain.RESET_PASSWORD)
            await mails.delete_tokens(tx, user.id)
            await accounts.reset_password(tx, user.id, new_hash)
            await _confirm(tx, user)
            await record(tx, "password.reset", origin, actor=user.id, subject=user.id)
            ended = await sessions.revoke_all(tx, user.id, domain.PASSWORD_RESET)
        self._revocations.add(ended)

    async def forget_expired(self) -> None:
        async with self._database.connection() as connection:
            await mails.delete_expired(connection)

    async def _ask_for_reset(self, request: ResetRequest) -> None:
        async with self._database.connection() as connection:
            known = await accounts.find_credentials(connection, request.email)
        if known is None or not known.user.may_sign_in:
            return
        user_id = known.user.id
        await self._limits.mail_account(user_id)
        async with self._database.transaction() as tx:
            user = await accounts.hold_user(tx, user_id)
            if user is None or user.email != request.email:
                return
            await self.request(tx, user, domain.RESET_PASSWORD, user_id)
            await record(
                tx, "password.reset_requested", request.origin, actor=None, subject=user_id
            )

    def _check_secret(self) -> None:
        if not self._secret:
            raise Unavailable(
                "This installation sends no mails about accounts (VALERIX_MAIL_SECRET)"
            )


async def _claim(tx: Transaction, token: str, purpose: str) -> User:
    """Use up the token, and return its user. Raises MailTokenRefused."""
    hashed = _hash(token)
    owner = await mails.find_token_owner(tx, hashed, purpose)
    user = await accounts.hold_user(tx, owner) if owner else None
    if user is None or not user.may_sign_in or not await mails.claim_token(tx, hashed):
        raise domain.MailTokenRefused
    return user


async def _confirm(tx: Transaction, user: User) -> None:
    """Record that mails reach the user. The change is emitted like any other."""
    confirmed = await accounts.confirm_email(tx, user.id)
    if confirmed is not None:
        await history.append(
            tx, confirmed, domain.event_type(confirmed.customer_number, "updated"), user.id
        )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
