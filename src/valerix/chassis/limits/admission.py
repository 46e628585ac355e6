"""Admission control: a service accepts only requests that need not wait for one another.

Overload shows as persistent waiting, for database connections or for the processor. While there is
such waiting, the limit falls by a fifth at a time. While there is none, it grows back. A shed
request has cost next to nothing.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from prometheus_client import Counter, Gauge

from valerix.chassis.base.problems import Unavailable

LOOK_SECONDS: Final = 0.1
LOOKS: Final = 3
"""Waiting that is observed this many times in a row is not a burst."""
FALL, GROW = 0.8, 1.05
LEAST: Final = 64
INTERNAL: Final = "/internal/"
UNSHED: Final = (
    "/health",
    "/ready",
    "/metrics",
    "/api/v1/resilience",
    "/api/v1/chaos",
    "/internal/v1/chaos",
)
"""Path prefixes that are never shed: operators must get through to an overloaded service."""

shed_total = Counter("requests_shed_total", "Requests refused with 503 before any work began")
limit_gauge = Gauge("requests_limit", "Current limit of requests in progress")
in_flight_gauge = Gauge("requests_in_flight", "Requests in progress")
wait_gauge = Gauge("requests_wait_seconds", "How long requests wait before work on them begins")


class Queue(Protocol):
    """A queue of requests, or of items of requests, in front of work."""

    def waits_seconds(self) -> float:
        """How long the first entry of the queue has been waiting."""


class Admission:
    """Counts the requests in progress and adapts their limit.

    Requests of other services belong to work that the edge has accepted already: only `ceiling`
    stops them.
    """

    def __init__(self, ceiling: int, max_wait_seconds: float) -> None:
        self.ceiling = ceiling
        self.limit = ceiling
        self.in_flight = 0
        self.shed = 0
        self.wait_seconds = 0.0
        self._max_wait = max_wait_seconds
        self._seen: deque[float] = deque(maxlen=LOOKS)
        limit_gauge.set_function(lambda: self.limit)
        in_flight_gauge.set_function(lambda: self.in_flight)
        wait_gauge.set_function(lambda: self.wait_seconds)

    def check(self, path: str) -> None:
        """Raises Unavailable for a request above the limit; `in_flight` includes it already."""
        if self.in_flight <= self.limit or path.startswith(UNSHED):
            return
        if path.startswith(INTERNAL) and self.in_flight <= self.ceiling:
            return
        self.shed += 1
        shed_total.inc()
        raise Unavailable("Too many requests are in progress")

    def saw(self, wait_seconds: float) -> None:
        """Adapts the limit to `wait_seconds`, the current waiting time of requests."""
        self.wait_seconds = wait_seconds
        self._seen.append(wait_seconds)
        if len(self._seen) == LOOKS and min(self._seen) > self._max_wait:
            self.limit = max(min(LEAST, self.ceiling), int(min(self.limit, self.in_flight) * FALL))
            self._seen.clear()
        elif wait_seconds < self._max_wait / 2:
            self.limit = min(self.ceiling, int(self.limit * GROW) + 1)

    async def watch(self, queues: Sequence[Queue]) -> None:
        """Measures the queues, and the delay of this measurement itself, forever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            late = loop.time() - due
            self.saw(max(late, *(queue.waits_seconds() for queue in queues), 0.0))
