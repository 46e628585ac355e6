"""The use cases of users and customers."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

import structlog

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.calls.revocations import Revocations
from valerix.chassis.limits.origin import Origin
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.commands import (
    MAX_FOUND,
    CheckCustomers,
    CustomersChecked,
    CustomersFound,
    CustomerStanding,
    FindCustomers,
)
from valerix.contracts.ids import new_id
from valerix.contracts.roles import ADMIN, CUSTOMER
from valerix.users import domain, history, metrics
from valerix.users.audit import record
from valerix.users.domain import User
from valerix.users.limits import SignInLimits
from valerix.users.mails import AccountMails
from valerix.users.passwords import PasswordPool, check_acceptable
from valerix.users.reauthentication import Reauthentication
from valerix.users.repository import accounts, mails, sessions

log = structlog.get_logger()
SHORTEST_WORD: Final = 2
"""Minimum number of letters of a word in a search for customers; shorter words are left out."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to create. `customer_number`: needed exactly when the account is a customer's."""

    email: str
    name: str
    password_hash: str
    role: str = CUSTOMER
    status: str = domain.ACTIVE
    customer_number: str | None = None


async def add_user(tx: Transaction, new: NewUser) -> User | None:
    """Insert the user with the first event of its history. None: address or number is taken."""
    user_id = new_id()
    user = await accounts.insert_user(
        tx,
        user_id,
        email=new.email,
        name=new.name,
        role=new.role,
        status=new.status,
        customer_number=new.customer_number,
        password_hash=new.password_hash,
    )
    if user is not None:
        await _record(tx, user, "registered", actor=user_id)
    return user


async def _record(tx: Transaction, user: User, what: str, actor: str) -> None:
    await history.append(tx, user, domain.event_type(user.customer_number, what), actor)


class Users:
    """The use cases of users and customers.

    `viewer`: the user id, or the customer number, of the only account that a caller may see; None:
    the caller may see all.
    """

    def __init__(
        self,
        database: Database,
        passwords: PasswordPool,
        revocations: Revocations,
        limits: SignInLimits,
        mails: AccountMails,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._revocations = revocations
        self._limits = limits
        self._reauthentication = Reauthentication(database, passwords, limits)
        self._mails = mails

    async def register(self, name: str, email: str, password: str, origin: Origin) -> User:
        """Register a new customer.

        Raises Invalid for an easily guessed password, EmailTaken, RateLimited, Unavailable.
        """
        self._passwords.check_capacity()
        address = domain.normal_email(email)
        check_acceptable(password, address, name)
        await self._limits.register(origin.network)
        password_hash = await self._passwords.hash(password)
        async with self._limits.claim_email(origin.network), self._database.transaction() as tx:
            number = await self._next_number(tx)
            new = NewUser(address, domain.normal_name(name), password_hash, customer_number=number)
            user = await add_user(tx, new)
            if user is None:
                raise domain.EmailTaken
            await record(tx, "account.registered", origin, actor=user.id, subject=user.id)
            user = await self._mails.request(tx, user, domain.CONFIRM_EMAIL, actor=user.id)
        metrics.users_registered.inc()
        log.info("customer registered", user_id=user.id, customer_id=user.customer_number)
        return user

    # --- users

    async def get(self, user_id: str, viewer: str | None) -> User:
        """Get a user. Raises UserNotFound."""
        async with self._database.connection() as connection:
            return await _get(connection, user_id, viewer)

    async def search(
        self,
        *,
        limit: int,
        before: str | None,
        search: str | None,
        role: str | None,
        status: str | None,
    ) -> list[User]:
        """List up to `limit` users with ids below `before`, newest first."""
        async with self._database.connection() as connection:
            return await accounts.list_users(
                connection, limit=limit, before=before, search=search, role=role, status=status
            )

    async def change(
        self,
        user_id: str,
        name: str,
        email: str,
        *,
        version: int | None,
        viewer: str | None,
        actor: str,
        current_password: str | None,
        origin: Origin,
    ) -> User:
        """Change name and e-mail address of a user.

        Another address needs the actor's `current_password`, because mails to it open the account.
        A change of another user's profile, and every change of an address, is on record.

        Raises UserNotFound, VersionConflict, EmailTaken, PasswordNeeded, WrongPassword,
        RateLimited, Unavailable.
        """
        address = domain.normal_email(email)
        moves = (await self.get(user_id, viewer)).email != address
        if moves and current_password is None:
            raise domain.PasswordNeeded
        if current_password is not None:
            await self._reauthentication.check(actor, current_password, origin)
        claiming = self._limits.claim_email(origin.network) if moves else nullcontext()
        async with claiming, self._database.transaction() as tx:
            before = await _get(tx, user_id, viewer)
            user = await accounts.update_profile(
                tx, user_id, domain.normal_name(name), address, version
            )
            if user is None or (before.email != address and current_password is None):
                raise VersionConflict((await _get(tx, user_id, viewer)).version)
            await _record(tx, user, "updated", actor)
            if before.email != user.email:
                await mails.delete_tokens(tx, user_id)
                user = await self._mails.notify_former_address(tx, user, before.email, actor)
                user = await self._mails.request(tx, user, domain.CONFIRM_EMAIL, actor)
            fields = domain.changed_profile(before, user)
            if fields and (actor != user_id or "email" in fields):
                await record(
                    tx,
                    "profile.changed",
                    origin,
                    actor=actor,
                    subject=user_id,
                    fields=", ".join(fields),
                )
        return user

    async def change_status(self, user_id: str, status: str, actor: str, origin: Origin) -> User:
        """Suspend or reinstate a user, which ends every session.

        A request for the current status changes nothing. Raises UserNotFound, OwnAccount,
        LastAdministrator.
        """
        if user_id == actor:
            raise domain.OwnAccount
        async with self._database.transaction() as tx:
            if status != domain.ACTIVE:
                domain.check_administrators_remain(user_id, await accounts.hold_administrators(tx))
            user = await accounts.update_status(tx, user_id, status)
            if user is None:
                return await _get(tx, user_id, None)
            await _record(tx, user, "updated", actor)
            await record(tx, "status.changed", origin, actor=actor, subject=user_id, status=status)
            ended = await sessions.revoke_all(tx, user_id, domain.STATUS_CHANGED)
        self._revocations.add(ended)
        return user

    async def change_role(self, user_id: str, role: str, actor: str, origin: Origin) -> User:
        """Change the role of a user, which ends every session: tokens contain the role.

        A request for the current role changes nothing. A user that becomes a customer gets a
        number, unless there is one already. Raises as `change_status` does.
        """
        if user_id == actor:
            raise domain.OwnAccount
        async with self._database.transaction() as tx:
            if role != ADMIN:
                domain.check_administrators_remain(user_id, await accounts.hold_administrators(tx))
            before = await _get(tx, user_id, None)
            number = (
                await self._next_number(tx)
                if role == CUSTOMER and before.customer_number is None
                else None
            )
            user = await accounts.update_role(tx, user_id, role, number)
            if user is None:
                return await _get(tx, user_id, None)
            await _record(tx, user, "updated" if number is None else "registered", actor)
            await record(
                tx, "role.changed", origin, actor=actor, subject=user_id, old=before.role, new=role
            )
            ended = await sessions.revoke_all(tx, user_id, domain.ROLE_CHANGED)
        self._revocations.add(ended)
        return user

    async def _next_number(self, tx: Transaction) -> str:
        return domain.customer_number(await accounts.next_customer_number(tx))

    # --- customers

    async def get_customer(self, number: str, viewer: str | None) -> User:
        """Get a customer by number. Raises CustomerNotFound."""
        customer = await self._find_customer(number, viewer)
        if customer is None:
            raise domain.CustomerNotFound
        return customer

    async def validate_customer(self, number: str, viewer: str | None) -> CustomerStanding:
        """Whether a customer may order.

        Raises CustomerNotFound only when the caller may see no other customer: staff get the
        standing `unknown` instead.
        """
        customer = await self._find_customer(number, viewer)
        if customer is None and viewer is not None:
            raise domain.CustomerNotFound
        metrics.auth_validations.inc()
        return _standing(number, customer.status if customer else None)

    async def check_customers(self, command: CheckCustomers, _: Deadline) -> CustomersChecked:
        """The standing of each requested customer, in the order of the request."""
        numbers = command.customer_ids
        async with self._database.connection() as connection:
            statuses = await accounts.list_customer_statuses(connection, numbers)
        metrics.auth_validations.inc(len(numbers))
        return CustomersChecked([_standing(*pair) for pair in zip(numbers, statuses, strict=True)])

    async def find_customers(self, command: FindCustomers, _: Deadline) -> CustomersFound:
        """Find customers by words of their names and addresses."""
        words = [word for word in command.search.lower().split() if len(word) >= SHORTEST_WORD]
        if not words:
            return CustomersFound([])
        async with self._database.connection() as connection:
            return CustomersFound(
                await accounts.list_numbers_by_words(connection, words, MAX_FOUND)
            )

    async def _find_customer(self, number: str, viewer: str | None) -> User | None:
        async with self._database.connection() as connection:
            return await accounts.find_customer(connection, number, viewer)


async def _get(tx: Transaction, user_id: str, viewer: str | None) -> User:
    user = await accounts.find_user(tx, user_id, viewer)
    if user is None:
        raise domain.UserNotFound
    return user


def _standing(number: str, status: str | None) -> CustomerStanding:
    reason = domain.standing(status)
    return CustomerStanding(number, reason is None, reason)
