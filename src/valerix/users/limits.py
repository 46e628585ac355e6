"""How often somebody may guess: by rate, so that nobody is locked out for ever.

What succeeds is given back, so only failures and what is under way count. The narrow limit (one account from one
address) stops whoever guesses from one place without shutting the owner out, who is elsewhere; the wide ones stop who
tries many accounts from one place, or one account from many.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.limits.origin import Network
from valerix.chassis.limits.rate_limit import RateLimited
from valerix.chassis.limits.shared_limit import SharedBuckets
from valerix.users import metrics
from valerix.users.settings import Settings

TEN_MINUTES, HOUR = 600.0, 3600.0
GUESSES = "More attempts to sign in than are allowed"


class SignInLimits:
    """Keys are hashes: Valkey holds no addresses of people."""

    def __init__(self, valkey: Redis | None, settings: Settings) -> None:
        self._here = SharedBuckets(valkey, "sign-in", settings.guesses_here, TEN_MINUTES)
        self._address = SharedBuckets(valkey, "sign-in-address", settings.guesses_per_address, TEN_MINUTES)
        self._account = SharedBuckets(valkey, "sign-in-account", settings.guesses_per_account, HOUR)
        self._registrations = SharedBuckets(valkey, "registration", settings.registrations_per_address, HOUR)

    @asynccontextmanager
    async def guess(self, account: str, network: Network) -> AsyncIterator[None]:
        """Around checking a password: counted unless it is right (the block ends) or was not looked at.

        Raises RateLimited before that.
        """
        asked = [(self._here, f"{account} {network}"), (self._address, network), (self._account, account)]
        taken = [(buckets, hashlib.sha256(key.encode()).hexdigest()) for buckets, key in asked]
        try:
            for buckets, key in taken:
                await buckets.admit(key, GUESSES)
        except RateLimited:
            metrics.login_attempts.labels("limited").inc()
            raise
        try:
            yield
        except Unavailable:
            await _give_back(taken)
            raise
        await _give_back(taken)

    async def register(self, network: Network) -> None:
        """Raises RateLimited."""
        key = hashlib.sha256(network.encode()).hexdigest()
        await self._registrations.admit(key, "More registrations than one address may send")


async def _give_back(taken: list[tuple[SharedBuckets, str]]) -> None:
    for buckets, key in taken:
        await buckets.give_back(key)
