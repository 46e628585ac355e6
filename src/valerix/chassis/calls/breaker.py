"""A circuit breaker for each dependency. It runs in one thread, so nothing takes a lock."""

import time
from collections.abc import Callable
from typing import Final

from valerix.chassis.base.rolling import Clock, RollingSums
from valerix.chassis.calls.policy import Policy

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
STATES: Final = (CLOSED, OPEN, HALF_OPEN)
"""The index of a state is its number in the metric."""


class Breaker:
    """Stops calls to a dependency that does not answer.

    Call `enter` before a call, and `leave` with its permit after it, whatever the outcome. Closed:
    all calls may enter. Open: none may. Half-open, once `open_seconds` have passed: one trial call
    at a time. Its result closes the breaker or opens it again.
    """

    def __init__(
        self,
        policy: Policy,
        changed: Callable[[str], None] = lambda state: None,
        clock: Clock = time.monotonic,
    ) -> None:
        """`changed` is called with every new state."""
        self._policy = policy
        self._changed = changed
        self._clock = clock
        self._calls = RollingSums(policy.window_seconds, clock=clock)
        self._opened_at: float | None = None
        self._trying = False
        self._era = 0
        """Grows with each opening and closing.

        The result of a call that was sent in an earlier era says nothing about the present one.
        """

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return CLOSED
        return HALF_OPEN if self._trying or self.opens_in() == 0 else OPEN

    def opens_in(self) -> float:
        """Seconds until a trial call may enter."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._policy.open_seconds - self._clock())

    def window(self) -> tuple[int, int]:
        """(calls, failures) during the last seconds."""
        calls, failures = self._calls.totals()
        return calls, int(failures)

    def enter(self) -> int | None:
        """A permit, or None when the call must not be made."""
        if self._opened_at is None:
            return self._era
        if self._trying or self.opens_in() > 0:
            return None
        self._trying = True
        self._changed(HALF_OPEN)
        return self._era

    def leave(self, permit: int, succeeded: bool | None) -> None:
        """Reports the outcome of a call; None: unknown, because it was cancelled or never sent."""
        if permit != self._era:
            return
        if self._opened_at is not None:
            self._trying = False
            if succeeded is not None:
                self._turn(CLOSED if succeeded else OPEN)
        elif succeeded is not None:
            self._calls.add(not succeeded)
            if not succeeded and self._too_many():
                self._turn(OPEN)

    def _too_many(self) -> bool:
        calls, failures = self._calls.totals()
        return calls >= self._policy.min_calls and failures >= calls * self._policy.failure_ratio

    def _turn(self, state: str) -> None:
        self._opened_at = self._clock() if state == OPEN else None
        self._era += 1
        self._changed(state)
        self._calls.clear()
