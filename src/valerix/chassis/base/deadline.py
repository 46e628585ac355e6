"""The time of day, and when an answer is not waited for any more."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

HEADER = "valerix-deadline-ms"
"""Carries the milliseconds that are left, not a clock reading: clocks differ between machines."""


Now = Callable[[], datetime]
"""Aware, UTC."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class DeadlineExceeded(Exception):
    """No time is left; nothing was sent."""


class Deadline:
    """A point in monotonic time after which nobody waits for the answer any more."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def within(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))

    def earlier(self, seconds: float) -> "Deadline":
        """This deadline, with `seconds` kept back for what has to be done after it."""
        return Deadline(self.at - seconds)
