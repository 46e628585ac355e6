"""Limits on one caller's requests to one process: buckets in memory, and headers that report them.

A bucket holds `quota` requests and refills evenly within `window_seconds`. A caller may send its
quota at once, or forever at its rate. Each bucket is stored as one number, the moment it is full
again (the generic cell rate algorithm). Each replica counts for itself. Header fields:
draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from valerix.chassis.base.problems import TooMany
from valerix.chassis.limits.origin import Network

MAX_KEYS: Final = 100_000
TURN_KEPT_SECONDS: Final = 15.0
Header = tuple[bytes, bytes]


class RateLimited(TooMany):
    code, title = "rate_limited", "Too many requests"

    def __init__(self, what: str, name: str, policy: str, wait_seconds: float) -> None:
        seconds = max(1, math.ceil(wait_seconds))
        headers = {
            "Retry-After": str(seconds),
            "RateLimit-Policy": policy,
            "RateLimit": _field(name, 0, seconds),  # the same moment: clients use either one
        }
        super().__init__(f"{what}; try again in {seconds} s", headers=headers)


class BucketReading(NamedTuple):
    """The state of one bucket after one request.

    `reset_seconds`: until the bucket is full again. `wait_seconds`: 0 if the request was admitted,
    otherwise the time until the next one is.
    """

    remaining: int
    reset_seconds: float
    wait_seconds: float


class Buckets:
    """One bucket per key, all of the same size. `quota` 0: no limit."""

    def __init__(
        self,
        name: str,
        quota: int,
        window_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.quota = name, quota
        self.policy = f'"{name}";q={quota};w={math.ceil(window_seconds)}'
        self._window = window_seconds
        self._interval = window_seconds / quota if quota else 0.0
        self._now = now
        self._full_at: dict[str, float] = {}

    def take(self, key: str) -> BucketReading:
        """Takes one request out of the bucket of `key`, if one is left."""
        now = self._now()
        full_at = max(self._full_at.get(key, now), now) + self._interval
        over = full_at - now - self._window
        if over > self._interval * 1e-6:  # repeated addition of the interval is not exact
            return BucketReading(0, full_at - self._interval - now, over)
        if len(self._full_at) >= MAX_KEYS:
            self._full_at = _still_ahead(self._full_at, now)
        self._full_at[key] = full_at
        return BucketReading(int(-over / self._interval + 1e-6), full_at - now, 0.0)

    def give_back(self, key: str) -> None:
        """Returns what `take` took."""
        self._full_at[key] = self._full_at.get(key, 0.0) - self._interval


def _still_ahead(moments: dict[str, float], now: float) -> dict[str, float]:
    """Drops the moments in the past. If none is, drops all of them.

    A caller that regains its quota early does less harm than a process that runs out of memory.
    """
    ahead = {key: moment for key, moment in moments.items() if moment > now}
    return ahead if len(ahead) < MAX_KEYS else {}


class Turns:
    """A bucket per key that many callers compete for. An empty one grants them turns.

    A caller that finds the bucket empty holds the next turn, one at most. Without turns, every
    place would go to the caller that retries most often. A turn is at most `longest_seconds` away
    and lapses TURN_KEPT_SECONDS after its moment. A caller that finds no turn this near holds
    nothing. Callers that had turns recently may reserve only half as far ahead, so that they leave
    capacity for newcomers.
    """

    def __init__(
        self,
        name: str,
        quota: int,
        window_seconds: float,
        longest_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.quota = name, quota
        self.policy = f'"{name}";q={quota};w={math.ceil(window_seconds)}'
        self.interval = window_seconds / quota if quota else 0.0
        self.window = window_seconds
        self._longest = max(longest_seconds, self.interval)
        self._now = now
        self._full_at: dict[str, float] = {}
        self._held: dict[str, float] = {}

    def reach(self, newcomer: bool) -> float:
        """How far ahead a caller may hold a turn, in seconds."""
        return self._longest if newcomer else max(self._longest / 2, self.interval)

    def take(self, key: str, caller: str, newcomer: bool) -> float:
        """Seconds until the turn of this caller; 0: now."""
        now, place = self._now(), f"{key}:{caller}"
        held = self._held.get(place, 0.0)
        if held + TURN_KEPT_SECONDS > now:
            if held <= now:
                del self._held[place]
            return max(held - now, 0.0)
        full_at = max(self._full_at.get(key, now), now) + self.interval
        over = full_at - now - self.window
        if over > (reach := self.reach(newcomer)):
            return reach
        self._full_at = (
            self._full_at if len(self._full_at) < MAX_KEYS else _still_ahead(self._full_at, now)
        )
        self._full_at[key] = full_at
        if over <= self.interval * 1e-6:  # as in Buckets
            return 0.0
        self._held = self._held if len(self._held) < MAX_KEYS else _still_ahead(self._held, now)
        self._held[place] = now + over
        return over

    def give_back(self, key: str) -> None:
        """Returns what `take` took."""
        self._full_at[key] = self._full_at.get(key, 0.0) - self.interval


class RequestLimits:
    """The two limits on every request: by client network, and by person.

    Requests of services do not count.
    """

    def __init__(self, *, per_address: int, per_user: int, window_seconds: float = 60.0) -> None:
        self._addresses = Buckets("address", per_address, window_seconds)
        self._users = Buckets("user", per_user, window_seconds)

    def admit(self, network: Network, subject: str | None) -> list[Header]:
        """Returns the header fields for the answer, about the nearer limit. Raises RateLimited."""
        keys = ((self._addresses, network), (self._users, subject))
        readings = [
            (_admit(buckets, key), buckets)
            for buckets, key in keys
            if buckets.quota and key is not None
        ]
        if not readings:
            return []
        reading, buckets = min(readings, key=lambda one: one[0].remaining)
        return [
            (b"ratelimit-policy", buckets.policy.encode()),
            (b"ratelimit", _field(buckets.name, reading.remaining, reading.reset_seconds).encode()),
        ]


def _admit(buckets: Buckets, key: str) -> BucketReading:
    reading = buckets.take(key)
    check(buckets, reading, f"More requests than one {buckets.name} may send")
    return reading


def check(buckets: Buckets, reading: BucketReading, what: str) -> None:
    """Raises RateLimited when the bucket was empty; `what` names the excess in the message."""
    if reading.wait_seconds:
        raise RateLimited(what, buckets.name, buckets.policy, reading.wait_seconds)


def _field(name: str, remaining: int, seconds: float) -> str:
    return f'"{name}";r={remaining};t={math.ceil(seconds)}'
