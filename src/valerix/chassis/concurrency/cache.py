"""A small in-process cache with a time to live.

It is never the truth, only a shortcut to an answer that was true a short time ago.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most `capacity` entries, each valid for `ttl_seconds`.

    When the cache is full, all entries are dropped at once.
    """

    def __init__(
        self, ttl_seconds: float, capacity: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl = ttl_seconds
        self._capacity = capacity
        self._now = now
        self._entries: dict[K, tuple[float, V]] = {}

    def has(self, key: K) -> bool:
        """Whether there is a fresh entry for `key`."""
        entry = self._entries.get(key)
        return entry is not None and entry[0] > self._now()

    def put(self, key: K, value: V) -> None:
        """Stores `value` for the next `ttl_seconds`."""
        if len(self._entries) >= self._capacity:
            self._entries.clear()
        self._entries[key] = (self._now() + self._ttl, value)
