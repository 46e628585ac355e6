"""Bounding what a call may cost: deadlines, retries with a budget, a circuit breaker and a bulkhead per dependency.

Everything runs in one thread, so nothing here takes a lock.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from valerix.chassis import timeouts
from valerix.chassis.rolling import Clock, RollingSums

HEADER = "valerix-deadline-ms"
"""Carries the milliseconds that are left, not a clock reading: clocks differ between machines."""

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"
STATES: Final = (CLOSED, OPEN, HALF_OPEN)
"""By the number the metric shows."""


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


@dataclass(frozen=True, slots=True)
class Policy:
    """How calls to one dependency are bounded."""

    deadline_seconds: float = timeouts.DEFAULT.deadline_seconds
    """Of a call with all its attempts, where its caller names none."""
    timeout_seconds: float = timeouts.DEFAULT.call_timeout_seconds
    """Of one attempt."""
    retries: int = 3
    backoff_seconds: float = timeouts.DEFAULT.call_backoff_seconds
    """The first pause is up to this long, each further one up to twice the one before."""
    retry_ratio: float = 0.1
    """Retries per call that are allowed in the long run."""
    window_seconds: float = timeouts.DEFAULT.breaker_window_seconds
    failure_ratio: float = 0.5
    """The breaker opens when this share of the calls of the window failed …"""
    min_calls: int = 5
    """… if there were at least so many."""
    open_seconds: float = timeouts.DEFAULT.breaker_open_seconds
    max_calls: int = 256
    """At once; as many again may wait for their turn."""


class RetryBudget:
    """Tokens: every call brings a fraction of one, every retry takes one.

    Starts full and is topped up slowly, so that a lone call gets its retries whatever came before.
    """

    CAPACITY: Final = 10.0
    PER_SECOND: Final = 0.5

    def __init__(self, ratio: float, clock: Clock = time.monotonic) -> None:
        self._ratio = ratio
        self._clock = clock
        self._tokens = self.CAPACITY
        self._topped_up_at = clock()

    def deposit(self) -> None:
        """A call begins."""
        self._tokens = min(self.CAPACITY, self._tokens + self._ratio)

    def take(self) -> bool:
        """Whether one more retry is allowed."""
        now = self._clock()
        self._tokens = min(self.CAPACITY, self._tokens + (now - self._topped_up_at) * self.PER_SECOND)
        self._topped_up_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def backoff(first_seconds: float, retry: int, wanted_seconds: float = 0.0) -> float:
    """Pause before retry 1, 2, …: anywhere below 1, 2, 4 … times the first, and not before the other side wants it."""
    return wanted_seconds + random.random() * first_seconds * 2.0 ** (retry - 1)  # noqa: S311 - spreading load


class Breaker:
    """Stops calling what does not answer.

    `enter` before a call, `leave` with its permit after it, whatever happened. Closed: all may enter. Open: nobody.
    Half-open, once `open_seconds` are over: one trial at a time, which closes or opens it again.
    """

    def __init__(
        self, policy: Policy, changed: Callable[[str], None] = lambda state: None, clock: Clock = time.monotonic
    ) -> None:
        """`changed` hears of every new state."""
        self._policy = policy
        self._changed = changed
        self._clock = clock
        self._calls = RollingSums(policy.window_seconds, clock=clock)
        self._opened_at: float | None = None
        self._trying = False
        self._era = 0
        """Each opening and closing begins a new one: what was sent in an earlier one says nothing about this."""

    @property
    def state(self) -> str:
        if self._opened_at is None:
            return CLOSED
        return HALF_OPEN if self._trying or self.opens_in() == 0 else OPEN

    def opens_in(self) -> float:
        """Seconds until a trial may enter."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._policy.open_seconds - self._clock())

    def window(self) -> tuple[int, int]:
        """(calls, failures) during the last seconds."""
        calls, failures = self._calls.totals()
        return calls, int(failures)

    def enter(self) -> int | None:
        """A permit, or None when there must be no call."""
        if self._opened_at is None:
            return self._era
        if self._trying or self.opens_in() > 0:
            return None
        self._trying = True
        self._changed(HALF_OPEN)
        return self._era

    def leave(self, permit: int, succeeded: bool | None) -> None:
        """How it went; None: nobody knows - it was cancelled, or never sent."""
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


class Bulkhead:
    """At most `limit` at once, as many again waiting their turn; more are refused, so that they take nothing down."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, patience_seconds: float) -> bool:
        """Whether there was room within `patience_seconds`; if so, `leave` afterwards."""
        if self.inside < self.limit:
            self.inside += 1
            return True
        if len(self._waiting) >= self.limit:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(patience_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:  # our turn came at the same moment
                self.leave()
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def leave(self) -> None:
        """The place goes to whoever has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.inside -= 1
