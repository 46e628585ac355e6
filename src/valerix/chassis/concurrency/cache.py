"""A small in-process cache with a time to live. Never the truth, only a shortcut to an answer that was true lately."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most `capacity` entries, each good for `ttl_seconds`; when full, everything is forgotten at once."""

    def __init__(self, ttl_seconds: float, capacity: int, now: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl_seconds
        self._capacity = capacity
        self._now = now
        self._entries: dict[K, tuple[float, V]] = {}

    def has(self, key: K) -> bool:
        """Whether a fresh entry is there."""
        entry = self._entries.get(key)
        return entry is not None and entry[0] > self._now()

    def put(self, key: K, value: V) -> None:
        """Remember `value` from now on."""
        if len(self._entries) >= self._capacity:
            self._entries.clear()
        self._entries[key] = (self._now() + self._ttl, value)
