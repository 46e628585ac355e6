"""Counters of a run, in memory that does not grow with the run."""

import math
from collections import Counter
from typing import Final

FIRST_SECONDS: Final = 1e-4
GROWTH: Final = 1.02
ERROR: Final = math.sqrt(GROWTH) - 1
"""Largest relative error of a quantile."""
BUCKETS: Final = 900


class Histogram:
    """Durations in seconds, from 0.1 ms to an hour and a half.

    Each bucket is GROWTH times as wide as the one before.
    """

    def __init__(self) -> None:
        self._buckets = [0] * BUCKETS
        self.count = 0
        self.max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; longer ones than the last bucket count there."""
        place = math.ceil(math.log(max(seconds, FIRST_SECONDS) / FIRST_SECONDS, GROWTH))
        self._buckets[min(place, BUCKETS - 1)] += 1
        self.count += 1
        self.max = max(self.max, seconds)

    def quantile(self, part: float) -> float:
        """Return the seconds that `part` of all durations stay within, up to ERROR; 0 if none."""
        left = math.ceil(part * self.count)
        for place, count in enumerate(self._buckets):
            left -= count
            if left <= 0 < self.count:
                return min(self.max, FIRST_SECONDS * math.pow(GROWTH, place - 0.5))
        return 0.0


class Tally:
    """The counts of a run so far."""

    def __init__(self) -> None:
        self.orders = Histogram()
        """From the moment the order was due to its first answer, 202 included."""
        self.recent = Histogram()
        """The same as `orders`, since the last `take_recent`."""
        self.reads = Histogram()
        self.lag = Histogram()
        """From the moment an order was due until it was sent: the delay of this program itself."""
        self.answers: Counter[str] = Counter()
        """Outcomes of placing orders, one per attempt."""
        self.followed: Counter[str] = Counter()
        """Outcomes of later requests for the outcome of pending orders."""
        self.read_answers: Counter[str] = Counter()
        self.demand: Counter[str] = Counter()
        """Units ordered by product, since the last look at the stock."""
        self.sent = self.in_flight = self.pending = 0
        self.duplicates = self.restocked = 0
        self.stage = ""
        """The current stage, once all orders are sent."""
        self.violations: list[str] = []

    def answered(self, seconds: float) -> None:
        self.orders.record(seconds)
        self.recent.record(seconds)

    def take_recent(self) -> Histogram:
        """Return the latencies since the last call, and start again from zero."""
        taken, self.recent = self.recent, Histogram()
        return taken
