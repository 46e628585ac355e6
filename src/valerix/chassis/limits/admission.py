"""How many requests a service takes in: as many as do not make one another wait.

Overload shows as waiting that does not pass - in front of the database connections, or for the processor. While there
is such waiting, the limit falls by a fifth at a time; while there is none, it grows back. What is shed has cost next to
nothing.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from prometheus_client import Counter, Gauge

from valerix.chassis.base.problems import Unavailable

LOOK_SECONDS: Final = 0.1
LOOKS: Final = 3
"""Waiting that was seen so often in a row is no burst."""
FALL, GROW = 0.8, 1.05
LEAST: Final = 64
INTERNAL: Final = "/internal/"
UNSHED: Final = ("/health", "/ready", "/metrics", "/api/v1/resilience", "/api/v1/chaos", "/internal/v1/chaos")
"""Beginnings of paths: who looks after an overloaded service must get through."""

shed_total = Counter("requests_shed_total", "Requests refused with 503 before any work began")
limit_gauge = Gauge("requests_limit", "Requests that may be worked on at once just now")
in_flight_gauge = Gauge("requests_in_flight", "Requests being worked on")
wait_gauge = Gauge("requests_wait_seconds", "How long requests wait before work on them begins")


class Queue(Protocol):
    def waits_seconds(self) -> float:
        """How long the first in the queue has been waiting."""


class Admission:
    """The count of requests being worked on, and its limit.

    What other services ask for belongs to work that was accepted at the edge already: only `ceiling` stops it.
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
        """Raises Unavailable for one request too many; `in_flight` counts it already."""
        if self.in_flight <= self.limit or path.startswith(UNSHED):
            return
        if path.startswith(INTERNAL) and self.in_flight <= self.ceiling:
            return
        self.shed += 1
        shed_total.inc()
        raise Unavailable("Too many requests are being worked on")

    def saw(self, wait_seconds: float) -> None:
        """Adapt the limit to how long requests wait now."""
        self.wait_seconds = wait_seconds
        self._seen.append(wait_seconds)
        if len(self._seen) == LOOKS and min(self._seen) > self._max_wait:
            self.limit = max(min(LEAST, self.ceiling), int(min(self.limit, self.in_flight) * FALL))
            self._seen.clear()
        elif wait_seconds < self._max_wait / 2:
            self.limit = min(self.ceiling, int(self.limit * GROW) + 1)

    async def watch(self, queues: Sequence[Queue]) -> None:
        """Look at the queues, and at how late this look itself comes, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            late = loop.time() - due
            self.saw(max(late, *(queue.waits_seconds() for queue in queues), 0.0))
