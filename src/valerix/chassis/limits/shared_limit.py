"""Buckets that all replicas share: the algorithm of `rate_limit`, in Valkey.

While Valkey does not answer each replica counts for itself. What was counted there is then not known here and the other
way round: limits are looser for that while, but never absent.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from valerix.chassis.limits.rate_limit import BucketReading, Buckets, check

log = structlog.get_logger()
TIMEOUT_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 5.0
"""How long a Valkey that did not answer is left alone."""
# Times in microseconds of Valkey's own clock. ARGV[3]: 1 takes one out of the bucket, -1 puts one back.
_SCRIPT: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local before = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local full = math.max(before + interval * tonumber(ARGV[3]), now)
if full - now > window then
    return {0, before - now, full - now - window}
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return {math.floor((window - full + now) / interval), full - now, 0}
"""


class SharedBuckets:
    """One bucket per key. `quota` 0: no limit."""

    def __init__(self, valkey: Redis | None, name: str, quota: int, window_seconds: float) -> None:
        self._local = Buckets(name, quota, window_seconds)
        self._valkey = valkey
        self._script = valkey.register_script(_SCRIPT) if valkey else None
        self._interval = int(window_seconds * 1e6 / quota) if quota else 0
        self._window = self._interval * quota
        self._away_until = 0.0

    async def admit(self, key: str, what: str) -> None:
        """Take one out of the bucket of `key`. Raises RateLimited, saying `what` was too much, when it is empty."""
        if self._local.quota:
            check(self._local, await self._ask(key, 1) or self._local.take(key), what)

    async def give_back(self, key: str) -> None:
        """Put back what `admit` took."""
        if self._local.quota and await self._ask(key, -1) is None:
            self._local.give_back(key)

    async def _ask(self, key: str, count: int) -> BucketReading | None:
        """None when Valkey does not answer."""
        if self._script is None or time.monotonic() < self._away_until:
            return None
        try:
            answer = await self._script(
                keys=[f"limit:{self._local.name}:{key}"], args=[self._interval, self._window, count]
            )
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            log.warning("limits are counted here alone", limit=self._local.name, error=type(error).__name__)
            return None
        return BucketReading(answer[0], answer[1] / 1e6, answer[2] / 1e6)


@asynccontextmanager
async def open_valkey(url: str) -> AsyncIterator[Redis | None]:
    """A client that would rather fail than wait; None without a URL."""
    if not url:
        yield None
        return
    retry = Retry(NoBackoff(), 0)
    async with Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=retry
    ) as valkey:
        yield valkey
