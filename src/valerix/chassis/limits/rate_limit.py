"""How much one caller may ask of one process: buckets in memory, and the answers that tell the caller about them.

A bucket holds `quota` requests and fills again within `window_seconds`, evenly: a caller may send its quota at once, or
for ever at its rate. What is kept of each is one number, the moment its bucket is full again (the generic cell rate
algorithm). Each replica counts for itself. Header fields: draft-ietf-httpapi-ratelimit-headers-10.
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
            "RateLimit": _field(name, 0, seconds),  # the same moment: clients believe either
        }
        super().__init__(f"{what}; try again in {seconds} s", headers=headers)


class BucketReading(NamedTuple):
    """Of one bucket after one request. `reset_seconds`: until it is full again; `wait_seconds`: 0 if it was let in,
    otherwise until the next one is.
    """

    remaining: int
    reset_seconds: float
    wait_seconds: float


class Buckets:
    """One bucket per key, all alike. `quota` 0: no limit."""

    def __init__(self, name: str, quota: int, window_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.name, self.quota = name, quota
        self.policy = f'"{name}";q={quota};w={math.ceil(window_seconds)}'
        self._window = window_seconds
        self._interval = window_seconds / quota if quota else 0.0
        self._now = now
        self._full_at: dict[str, float] = {}

    def take(self, key: str) -> BucketReading:
        """Take one out of the bucket of `key`, if one is left."""
        now = self._now()
        full_at = max(self._full_at.get(key, now), now) + self._interval
        over = full_at - now - self._window
        if over > self._interval * 1e-6:  # adding the interval up is not exact
            return BucketReading(0, full_at - self._interval - now, over)
        if len(self._full_at) >= MAX_KEYS:
            self._full_at = _still_ahead(self._full_at, now)
        self._full_at[key] = full_at
        return BucketReading(int(-over / self._interval + 1e-6), full_at - now, 0.0)

    def give_back(self, key: str) -> None:
        """Put back what `take` took."""
        self._full_at[key] = self._full_at.get(key, 0.0) - self._interval


def _still_ahead(moments: dict[str, float], now: float) -> dict[str, float]:
    """Without the past; if nothing is past, empty: forgetting is a gift, running out of memory is not."""
    ahead = {key: moment for key, moment in moments.items() if moment > now}
    return ahead if len(ahead) < MAX_KEYS else {}


class Turns:
    """A bucket per key that many callers want: each that finds it empty holds the next turn, one at most.

    Callers that only try again would lose every place to the one that tries most often. A turn is `longest_seconds`
    away at most and lapses TURN_KEPT_SECONDS after its moment; callers that find none so near hold nothing. Those that
    had turns lately queue up half as far, so that they leave newcomers capacity.
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
        self._full_at = self._full_at if len(self._full_at) < MAX_KEYS else _still_ahead(self._full_at, now)
        self._full_at[key] = full_at
        if over <= self.interval * 1e-6:  # as in Buckets
            return 0.0
        self._held = self._held if len(self._held) < MAX_KEYS else _still_ahead(self._held, now)
        self._held[place] = now + over
        return over

    def give_back(self, key: str) -> None:
        """Put back what `take` took."""
        self._full_at[key] = self._full_at.get(key, 0.0) - self.interval


class RequestLimits:
    """The two limits every request meets: by client network, and by person. What services send is not counted."""

    def __init__(self, *, per_address: int, per_user: int, window_seconds: float = 60.0) -> None:
        self._addresses = Buckets("address", per_address, window_seconds)
        self._users = Buckets("user", per_user, window_seconds)

    def admit(self, network: Network, subject: str | None) -> list[Header]:
        """Header fields for the answer, about the limit that is nearer. Raises RateLimited."""
        asked = ((self._addresses, network), (self._users, subject))
        readings = [(_admit(buckets, key), buckets) for buckets, key in asked if buckets.quota and key is not None]
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
    """Raises RateLimited, saying `what` was too much, when the bucket was empty."""
    if reading.wait_seconds:
        raise RateLimited(what, buckets.name, buckets.policy, reading.wait_seconds)


def _field(name: str, remaining: int, seconds: float) -> str:
    return f'"{name}";r={remaining};t={math.ceil(seconds)}'
