"""Retries: a budget that limits them, and the pause before each."""

import random
import time
from typing import Final

from valerix.chassis.base.rolling import Clock


class RetryBudget:
    """Tokens: every call adds a fraction of one, every retry takes one.

    The budget starts full and refills slowly, so that a lone call gets its retries whatever came
    before.
    """

    CAPACITY: Final = 10.0
    PER_SECOND: Final = 0.5

    def __init__(self, ratio: float, clock: Clock = time.monotonic) -> None:
        self._ratio = ratio
        self._clock = clock
        self._tokens = self.CAPACITY
        self._topped_up_at = clock()

    def deposit(self) -> None:
        """Called when a call begins."""
        self._tokens = min(self.CAPACITY, self._tokens + self._ratio)

    def take(self) -> bool:
        """Whether one more retry is allowed."""
        now = self._clock()
        self._tokens = min(
            self.CAPACITY, self._tokens + (now - self._topped_up_at) * self.PER_SECOND
        )
        self._topped_up_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def backoff(first_seconds: float, retry: int, wanted_seconds: float = 0.0) -> float:
    """The pause before retry 1, 2, …: a random time below 1, 2, 4 … times `first_seconds`.

    `wanted_seconds`, the time the dependency requests, is added.
    """
    chance = random.random()  # noqa: S311 - spreading load
    return wanted_seconds + chance * first_seconds * 2.0 ** (retry - 1)
