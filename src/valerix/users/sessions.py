"""Signing in, staying signed in, and signing out: sessions, their refresh tokens, and their end.

A refresh token is 256 random bits, of which only the hash is stored. It is good for one use: it is
exchanged for the next token. A token that is used twice was used by a thief, the second time or the
first: the whole session ends (RFC 9700, 4.14.2).
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from valerix.chassis.calls.revocations import Revocations
from valerix.chassis.identity.cookies import check_csrf
from valerix.chassis.limits.origin import Origin
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.ids import new_id
from valerix.contracts.revocations import ListRevoked, RevokedSessions
from valerix.users import domain, metrics
from valerix.users.audit import record
from valerix.users.devices import device_token, find_device, remember
from valerix.users.domain import AccountCredentials, Session, SessionRules, User
from valerix.users.limits import SignInLimits
from valerix.users.passwords import PasswordPool, check_acceptable
from valerix.users.reauthentication import Reauthentication
from valerix.users.repository import accounts, sessions
from valerix.users.tokens import TTL_SECONDS, AccessTokens

LEEWAY_SECONDS = 10.0
"""How far apart two tabs of one browser may be when they refresh "at once"."""
OVERLAP_SECONDS = 30.0
"""Longer than a statement may take (see chassis.postgres.database)."""
WINDOW_SECONDS = TTL_SECONDS + 60.0


@dataclass(frozen=True, slots=True)
class Grant:
    """The session and the tokens that a client receives when it signs in or refreshes."""

    user: User
    session: Session
    access_token: str
    refresh_token: str
    devices: Sequence[str] = ()
    """After a sign-in: the device tokens to keep, the one for this account first."""


class Sessions:
    """The use cases of signing in, refreshing and signing out."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordPool,
        tokens: AccessTokens,
        revocations: Revocations,
        rules: SessionRules,
        limits: SignInLimits,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._tokens = tokens
        self._revocations = revocations
        self._rules = rules
        self._limits = limits
        self._reauthentication = Reauthentication(database, passwords, limits)

    async def login(
        self, email: str, password: str, kind: str, origin: Origin, devices: Sequence[str] = ()
    ) -> Grant:
        """Open a session. `devices`: the device tokens that the client presents.

        Raises LoginRefused for any reason, after the same work; RateLimited, Unavailable.
        """
        self._passwords.check_capacity()
        address = domain.normal_email(email)
        async with self._database.connection() as connection:
            known = await accounts.find_credentials(connection, address)
        device = find_device(known.device_secret, devices, datetime.now(UTC)) if known else None
        async with self._limits.guess(address, origin.network, device):
            checked = await self._check(known, password, origin)
        async with self._database.transaction() as tx:
            held = await accounts.hold_credentials(tx, checked.user.id)
            if (
                held is None
                or held.password_hash != checked.password_hash
                or not held.user.may_sign_in
            ):
                raise domain.LoginRefused  # changed while the password was being checked
            user = held.user
            opened = await self._open(tx, user, kind, origin)
            token = device_token(held.device_secret, new_id())
            grant = replace(opened, devices=remember(token, devices, device))
            await record(
                tx,
                "login.succeeded",
                origin,
                actor=user.id,
                subject=user.id,
                session_id=grant.session.id,
                kind=kind,
            )
            surplus = await sessions.revoke_surplus(tx, user.id, self._rules.max_sessions)
        self._revocations.add(surplus)
        metrics.login_attempts.labels("success").inc()
        return grant

    async def _check(
        self, known: AccountCredentials | None, password: str, origin: Origin
    ) -> AccountCredentials:
        matches = await self._passwords.verify(known.password_hash if known else None, password)
        if known is None or not matches or not known.user.may_sign_in:
            await self._refuse(
                known.user if known else None,
                "not_allowed" if matches else "wrong_password",
                origin,
            )
            raise domain.LoginRefused
        return known

    async def refresh(self, token: str, kind: str, csrf: str | None, origin: Origin) -> Grant:
        """Exchange a refresh token for the next one and a new access token.

        `csrf`: the token that a browser sent beside its cookie. Raises RefreshRefused,
        RefreshSuperseded, CsrfTokenMissing.
        """
        hashed = _hash(token)
        async with self._database.transaction() as tx:
            session_id = await sessions.claim_refresh_token(tx, hashed)
            if session_id is not None:
                grant = await self._prolong(tx, session_id, kind, csrf, origin)
                metrics.refreshes.labels("success").inc()
                return grant
        metrics.refreshes.labels("refused").inc()
        await self._punish_reuse(hashed, origin)
        raise domain.RefreshRefused

    async def list_of(self, user_id: str) -> list[Session]:
        """List the live sessions of a user, the last used first."""
        async with self._database.connection() as connection:
            return await sessions.list_live(connection, user_id)

    async def end(
        self, session_id: str, user_id: str, reason: str, actor: str, origin: Origin
    ) -> None:
        """End one session of a user. Raises SessionNotFound."""
        async with self._database.transaction() as tx:
            if not await sessions.revoke(tx, session_id, user_id, reason):
                raise domain.SessionNotFound
            await record(
                tx, f"session.{reason}", origin, actor=actor, subject=user_id, session_id=session_id
            )
        self._revocations.add([session_id])

    async def end_all(
        self, user_id: str, actor: str, origin: Origin, spare: str | None = None
    ) -> None:
        """End every session of a user except `spare`."""
        async with self._database.transaction() as tx:
            ended = await sessions.revoke_all(tx, user_id, domain.REVOKED, spare)
            await record(
                tx, "sessions.revoked", origin, actor=actor, subject=user_id, count=len(ended)
            )
        self._revocations.add(ended)

    async def change_password(
        self, user_id: str, current: str, new: str, spare: str | None, origin: Origin
    ) -> None:
        """Change a password, which ends every session except `spare`.

        Raises WrongPassword, Invalid, RateLimited, Unavailable.
        """
        checked = await self._reauthentication.check(user_id, current, origin)
        check_acceptable(new, checked.user.email, checked.user.name, "/newPassword")
        new_hash = await self._passwords.hash(new)
        async with self._database.transaction() as tx:
            if not await accounts.update_password(tx, user_id, checked.password_hash, new_hash):
                raise domain.WrongPassword
            await record(tx, "password.changed", origin, actor=user_id, subject=user_id)
            ended = await sessions.revoke_all(tx, user_id, domain.PASSWORD_CHANGED, spare)
        self._revocations.add(ended)

    async def measure(self) -> None:
        """Set the gauge of live sessions."""
        async with self._database.connection() as connection:
            metrics.active_sessions.set(await sessions.count_live(connection))

    async def forget_ended(self) -> None:
        """Delete the sessions that ended more than `max_days` ago."""
        async with self._database.connection() as connection:
            await sessions.delete_over(connection, self._rules.max_days)

    # --- pieces

    async def _open(self, tx: Transaction, user: User, kind: str, origin: Origin) -> Grant:
        session = await sessions.insert_session(
            tx,
            new_id(),
            user.id,
            kind=kind,
            csrf=secrets.token_urlsafe(24) if kind == domain.COOKIE else None,
            user_agent=origin.user_agent,
            address=origin.address,
            idle_days=self._rules.idle_days,
        )
        return await self._grant(tx, user, session)

    async def _prolong(
        self, tx: Transaction, session_id: str, kind: str, csrf: str | None, origin: Origin
    ) -> Grant:
        rules = self._rules
        session = await sessions.touch_session(
            tx, session_id, kind, origin.address, idle_days=rules.idle_days, max_days=rules.max_days
        )
        user = await accounts.find_user(tx, session.user_id, None) if session else None
        if session is None or user is None or not user.may_sign_in:
            raise domain.RefreshRefused
        if kind == domain.COOKIE:
            check_csrf(session.csrf, csrf)
        return await self._grant(tx, user, session)

    async def _grant(self, tx: Transaction, user: User, session: Session) -> Grant:
        token = secrets.token_urlsafe(32)
        await sessions.insert_refresh_token(tx, _hash(token), session.id)
        return Grant(user, session, self._tokens.issue(user, session), token)

    async def _refuse(self, user: User | None, reason: str, origin: Origin) -> None:
        """Record a failed sign-in.

        The e-mail address of the request is not kept: it may have been a password.
        """
        metrics.login_attempts.labels("failed").inc()
        async with self._database.connection() as connection:
            await record(
                connection,
                "login.failed",
                origin,
                actor=None,
                subject=user.id if user else None,
                reason=reason,
            )

    async def _punish_reuse(self, hashed: bytes, origin: Origin) -> None:
        async with self._database.connection() as connection:
            used = await sessions.find_used_token(connection, hashed, LEEWAY_SECONDS)
        if used is None:
            return
        if used.is_another_tab:
            raise domain.RefreshSuperseded
        async with self._database.transaction() as tx:
            if await sessions.revoke(tx, used.session_id, used.user_id, domain.TOKEN_REUSED):
                await record(
                    tx,
                    "refresh.reused",
                    origin,
                    actor=None,
                    subject=used.user_id,
                    session_id=used.session_id,
                )
        self._revocations.add([used.session_id])


def revoked_sessions(database: Database) -> Callable[[ListRevoked], Awaitable[RevokedSessions]]:
    """The command that the other services call to follow the ended sessions."""

    async def answer(command: ListRevoked) -> RevokedSessions:
        async with database.connection() as connection:
            return await sessions.list_revoked(
                connection, command.since, OVERLAP_SECONDS, WINDOW_SECONDS
            )

    return answer


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
