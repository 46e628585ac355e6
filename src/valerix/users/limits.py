"""Limits of password guesses: rates, so that no account is locked out permanently (ADR 27).

What succeeds is given back, so only failures and what is under way count. The narrow limit (one account from one
network) and that of a network bound the guesses from one place. An account that is guessed from many places is checked
once per interval, in turns: a network that has not guessed wrong lately is let in among those that have. A device
that signed in before passes by all of them; its own guesses are counted.
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
"""Wrong passwords for one account before it is slowed."""
LONGEST_WAIT_SECONDS: Final = 30.0
GUESSES = "More attempts to sign in than are allowed"


class SignInLimits:
    """Keys are hashes: Valkey holds no addresses of people."""

    def __init__(self, valkey: Redis | None, settings: Settings) -> None:
        self._here = SharedBuckets(valkey, "sign-in", settings.guesses_here, TEN_MINUTES)
        self._address = SharedBuckets(valkey, "sign-in-address", settings.guesses_per_address, TEN_MINUTES)
        self._device = SharedBuckets(valkey, "sign-in-device", settings.guesses_per_device, TEN_MINUTES)
        at_once = min(settings.guesses_per_account, AT_ONCE)
        window = HOUR / settings.guesses_per_account * at_once if at_once else HOUR
        self._account = SharedTurns(valkey, "sign-in-account", at_once, window, LONGEST_WAIT_SECONDS)
        self._registrations = SharedBuckets(valkey, "registration", settings.registrations_per_address, HOUR)
        self._mails = SharedBuckets(valkey, "mails", settings.mails_per_account, HOUR)
        self._mails_from = SharedBuckets(valkey, "mails-address", settings.mails_per_address, HOUR)
        self._conflicts = SharedBuckets(valkey, "email-taken", settings.conflicts_per_address, HOUR)

    @asynccontextmanager
    async def guess(self, account: str, network: Network, device: str | None = None) -> AsyncIterator[None]:
        """Around checking a password: counted unless it is right (the block ends) or was not looked at.

        `device`: id of one that signed in to this account before. Raises RateLimited before the check.
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
        """Raises RateLimited."""
        await self._registrations.admit(_hidden(network), "More registrations than one address may send")

    async def mail_account(self, user_id: str) -> None:
        """Raises RateLimited."""
        await self._mails.admit(_hidden(user_id), "More mails than one account may ask for")

    async def mail_from(self, network: Network) -> None:
        """Raises RateLimited."""
        await self._mails_from.admit(_hidden(network), "More mails than one address may ask for")

    @asynccontextmanager
    async def claim_email(self, network: Network) -> AsyncIterator[None]:
        """Around giving an account an e-mail address: counted when it is taken, so that accounts cannot be enumerated.

        Raises RateLimited before it shows whether it is.
        """
        key, conflict = _hidden(network), False
        await self._conflicts.admit(key, "More e-mail addresses that are in use than one address may send")
        try:
            yield
        except EmailTaken:
            conflict = True
            raise
        finally:
            if not conflict:
                await self._conflicts.give_back(key)


async def _take(taken: list[Callable[[], Awaitable[None]]], buckets: SharedBuckets, key: str) -> bool:
    """Whether the bucket was full."""
    was_full = await buckets.admit(_hidden(key), GUESSES)
    taken.append(partial(buckets.give_back, _hidden(key)))
    return was_full


async def _give_back(taken: list[Callable[[], Awaitable[None]]]) -> None:
    for give_back in taken:
        await give_back()


def _hidden(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
