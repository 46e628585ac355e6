"""Buckets and turns that all replicas share: the algorithms of `rate_limit`, in Valkey.

While Valkey does not answer, each replica counts for itself. The counts of one replica are then
unknown to the others: limits are looser during that time, but never absent.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from valerix.chassis.limits.rate_limit import (
    TURN_KEPT_SECONDS,
    BucketReading,
    Buckets,
    RateLimited,
    Turns,
    check,
)

log = structlog.get_logger()
TIMEOUT_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 5.0
"""How long a Valkey that did not answer is not called again."""
# Times are microseconds of Valkey's own clock. ARGV[3]: 1 takes one request, -1 returns one.
_BUCKET: Final = """
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
# `Turns.take`: KEYS[2] is the moment of the turn that this caller holds, ARGV[3] how far ahead it
# may be, ARGV[4] how long it is kept. Returns the time until then. A turn that was taken is
# overwritten, because no access rule allows these scripts to delete.
_TURN: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, window, reach = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = tonumber(redis.call('GET', KEYS[2]) or 0)
if held > now then
    return held - now
elseif held > 0 then
    redis.call('SET', KEYS[2], 0, 'PX', 1)
    return 0
end
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
local over = full - now - window
if over > reach then
    return reach
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
if over <= 0 then
    return 0
end
redis.call('SET', KEYS[2], string.format('%.0f', now + over),
           'PX', math.ceil((over + ARGV[4]) / 1000))
return over
"""


class _Script:
    """A script in the Valkey that all replicas share."""

    def __init__(self, valkey: Redis | None, limit: str, text: str) -> None:
        self._script = valkey.register_script(text) if valkey else None
        self._limit = limit
        self._away_until = 0.0

    async def run(self, keys: list[str], arguments: list[int]) -> Any:
        """The result of the script; None when Valkey does not answer."""
        if self._script is None or time.monotonic() < self._away_until:
            return None
        try:
            return await self._script(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            log.warning(
                "valkey not available, limits count per replica",
                limit=self._limit,
                error=type(error).__name__,
            )
            return None


class SharedBuckets:
    """One bucket per key, shared by all replicas. `quota` 0: no limit."""

    def __init__(self, valkey: Redis | None, name: str, quota: int, window_seconds: float) -> None:
        self._local = Buckets(name, quota, window_seconds)
        self._script = _Script(valkey, name, _BUCKET)
        self._interval = int(window_seconds * 1e6 / quota) if quota else 0
        self._window = self._interval * quota

    async def admit(self, key: str, what: str) -> bool:
        """Takes one request out of the bucket of `key`; returns whether it was full.

        Raises RateLimited; `what` names the excess in the message.
        """
        if not self._local.quota:
            return True
        reading = await self._ask(key, 1) or self._local.take(key)
        check(self._local, reading, what)
        return reading.remaining == self._local.quota - 1

    async def give_back(self, key: str) -> None:
        """Returns what `admit` took."""
        if self._local.quota and await self._ask(key, -1) is None:
            self._local.give_back(key)

    async def _ask(self, key: str, count: int) -> BucketReading | None:
        answer = await self._script.run(
            [f"limit:{self._local.name}:{key}"], [self._interval, self._window, count]
        )
        return (
            None if answer is None else BucketReading(answer[0], answer[1] / 1e6, answer[2] / 1e6)
        )


class SharedTurns:
    """Turns per key, shared by all replicas. `quota` 0: no limit."""

    def __init__(
        self,
        valkey: Redis | None,
        name: str,
        quota: int,
        window_seconds: float,
        longest_seconds: float,
    ) -> None:
        self._local = Turns(name, quota, window_seconds, longest_seconds)
        self._turn, self._return = _Script(valkey, name, _TURN), _Script(valkey, name, _BUCKET)
        self._interval, self._window = (
            int(self._local.interval * 1e6),
            int(self._local.interval * 1e6) * quota,
        )

    async def admit(self, key: str, caller: str, what: str, *, newcomer: bool) -> None:
        """Takes the turn of `caller`.

        Raises RateLimited while the turn lies ahead; `what` names the excess in the message.
        """
        if not self._local.quota:
            return
        place = f"limit:{self._local.name}:{key}"
        reach, kept = int(self._local.reach(newcomer) * 1e6), int(TURN_KEPT_SECONDS * 1e6)
        answer = await self._turn.run(
            [place, f"{place}:{caller}"], [self._interval, self._window, reach, kept]
        )
        wait_seconds = self._local.take(key, caller, newcomer) if answer is None else answer / 1e6
        if wait_seconds:
            raise RateLimited(what, self._local.name, self._local.policy, wait_seconds)

    async def give_back(self, key: str) -> None:
        """Returns what `admit` took."""
        if self._local.quota:
            place = f"limit:{self._local.name}:{key}"
            if await self._return.run([place], [self._interval, self._window, -1]) is None:
                self._local.give_back(key)


@asynccontextmanager
async def open_valkey(url: str) -> AsyncIterator[Redis | None]:
    """A client that fails rather than waits; None without a URL."""
    if not url:
        yield None
        return
    retry = Retry(NoBackoff(), 0)
    async with Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=retry
    ) as valkey:
        yield valkey
