"""The current time, and the deadline after which an answer is no longer needed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

HEADER = "valerix-deadline-ms"
"""Carries the remaining milliseconds, not a clock reading: the clocks of two machines differ."""


Now = Callable[[], datetime]
"""Returns the current time: timezone-aware, UTC."""


def utc_now() -> datetime:
    """The current time in UTC, timezone-aware."""
    return datetime.now(UTC)


class DeadlineExceeded(Exception):
    """No time is left. Nothing was sent."""


class Deadline:
    """A point in monotonic time after which the caller no longer waits for the answer."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left until the deadline, never negative."""
        return max(0.0, self.at - time.monotonic())

    def within(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and the moment `seconds` from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))

    def earlier(self, seconds: float) -> "Deadline":
        """This deadline moved forward by `seconds`, which stay reserved for the work after it."""
        return Deadline(self.at - seconds)
