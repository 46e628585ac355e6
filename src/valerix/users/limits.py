"""Limits of password guesses: rates, so that no account is locked out permanently (ADR 27).

A successful sign-in is given back, so only failures and guesses under way count. The narrow limit
(one account from one network) and the limit of a network bound the guesses from one place. An
account that is guessed from many places is checked once per interval, in turns: a network without
recent wrong guesses gets a turn among those with some. A device that signed in before is exempt
from all of these limits; its own guesses are counted.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from redis.asyncio import Redis

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.limits.origin import Network
from valerix.chassis.limits.rate_limit import RateLimited
from valerix.chassis.limits.shared_limit import SharedBuckets, SharedTurns
from valerix.users import metrics
from valerix.users.domain import EmailTaken
from valerix.users.settings import Settings

TEN_MINUTES, HOUR = 600.0, 3600.0
AT_ONCE: Final = 10
"""Wrong passwords for one account before its checks are slowed down."""
LONGEST_WAIT_SECONDS: Final = 30.0
GUESSES = "More attempts to sign in than are allowed"


class SignInLimits:
    """The limits of this service. Keys are hashes: Valkey holds no addresses of people."""

    def __init__(self, valkey: Redis | None, settings: Settings) -> None:
        self._here = SharedBuckets(valkey, "sign-in", settings.guesses_here, TEN_MINUTES)
        self._address = SharedBuckets(
            valkey, "sign-in-address", settings.guesses_per_address, TEN_MINUTES
        )
        self._device = SharedBuckets(
            valkey, "sign-in-device", settings.guesses_per_device, TEN_MINUTES
        )
        at_once = min(settings.guesses_per_account, AT_ONCE)
        window = HOUR / settings.guesses_per_account * at_once if at_once else HOUR
        self._account = SharedTurns(
            valkey, "sign-in-account", at_once, window, LONGEST_WAIT_SECONDS
        )
        self._registrations = SharedBuckets(
            valkey, "registration", settings.registrations_per_address, HOUR
        )
        self._mails = SharedBuckets(valkey, "mails", settings.mails_per_account, HOUR)
        self._mails_from = SharedBuckets(valkey, "mails-address", settings.mails_per_address, HOUR)
        self._conflicts = SharedBuckets(valkey, "email-taken", settings.conflicts_per_address, HOUR)

    @asynccontextmanager
    async def guess(
        self, account: str, network: Network, device: str | None = None
    ) -> AsyncIterator[None]:
        """Wrap the check of a password. A guess counts unless the password is right (the block
        ends) or was not checked.

        `device`: the id of a device that signed in to this account before. Raises RateLimited
        before the check.
        """
        taken: list[Callable[[], Awaitable[None]]] = []
        try:
            if device is not None:
                await _take(taken, self._device, device)
            else:
                newcomer = await _take(taken, self._here, f"{account} {network}")
                await _take(taken, self._address, network)
                key = _hidden(account)
                await self._account.admit(key, _hidden(network), GUESSES, newcomer=newcomer)
                taken.append(partial(self._account.give_back, key))
            yield
        except (RateLimited, Unavailable) as error:
            if isinstance(error, RateLimited):
                metrics.login_attempts.labels("limited").inc()
            await _give_back(taken)
            raise
        await _give_back(taken)

    async def register(self, network: Network) -> None:
        """Count a registration. Raises RateLimited."""
        await self._registrations.admit(
            _hidden(network), "More registrations than one address may send"
        )

    async def mail_account(self, user_id: str) -> None:
        """Count a mail to an account. Raises RateLimited."""
        await self._mails.admit(_hidden(user_id), "More mails than one account may request")

    async def mail_from(self, network: Network) -> None:
        """Count a mail requested from a network. Raises RateLimited."""
        await self._mails_from.admit(_hidden(network), "More mails than one address may request")

    @asynccontextmanager
    async def claim_email(self, network: Network) -> AsyncIterator[None]:
        """Wrap giving an account an e-mail address. An address that is taken counts, so that
        accounts cannot be enumerated.

        Raises RateLimited before the answer shows whether the address is taken.
        """
        key, conflict = _hidden(network), False
        await self._conflicts.admit(
            key, "More e-mail addresses in use than one network address may try"
        )
        try:
            yield
        except EmailTaken:
            conflict = True
            raise
        finally:
            if not conflict:
                await self._conflicts.give_back(key)


async def _take(
    taken: list[Callable[[], Awaitable[None]]], buckets: SharedBuckets, key: str
) -> bool:
    """Take one guess from the bucket. True when the bucket was full."""
    was_full = await buckets.admit(_hidden(key), GUESSES)
    taken.append(partial(buckets.give_back, _hidden(key)))
    return was_full


async def _give_back(taken: list[Callable[[], Awaitable[None]]]) -> None:
    for give_back in taken:
        await give_back()


def _hidden(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
