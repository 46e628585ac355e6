"""Readings of the last hour: one ring of fixed size per process, one row per tick."""

import math
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

from valerix.console.readings import COUNT, ERRORS, SECONDS, WIDTH, average_ms, percentile_ms, total

TICK_SECONDS: Final = 2
"""Ticks are numbered from the epoch, so that every replica of the console divides time alike."""
KEPT_SECONDS: Final = 3600
POINTS: Final = 150
"""Points of a chart, whatever its span."""
SHOWN: Final = ("rate", "p50", "p95", "p99", "average", "errors")


class Ring:
    """Rows of traffic by tick; a tick that was not written is a gap."""

    def __init__(self, ticks: int = KEPT_SECONDS // TICK_SECONDS) -> None:
        self._ticks = ticks
        self._written = array("q", [-1]) * ticks
        self._rows = array("d", [0.0]) * (ticks * WIDTH)

    def put(self, tick: int, row: Sequence[float]) -> None:
        """Write the row of a tick over the oldest one."""
        place = tick % self._ticks
        self._written[place] = tick
        self._rows[place * WIDTH : (place + 1) * WIDTH] = array("d", row)

    def between(self, first: int, last: int) -> Iterator[list[float]]:
        """The rows of the ticks first … last that were written."""
        for tick in range(max(first, last - self._ticks + 1), last + 1):
            place = tick % self._ticks
            if self._written[place] == tick:
                yield list(self._rows[place * WIDTH : (place + 1) * WIDTH])

    def window(self, last: int, seconds: int) -> list[float] | None:
        """The traffic of the last `seconds`; None when nothing was read in them."""
        rows = list(self.between(last - math.ceil(seconds / TICK_SECONDS) + 1, last))
        return total(rows) if rows else None

    def columns(self, last: int, minutes: int) -> dict[str, list[float | None]]:
        """Rate, latencies and errors at POINTS moments.

        A gap is None in all columns; a moment without requests is None in the latencies only.
        """
        points: dict[str, list[float | None]] = {name: [] for name in SHOWN}
        for first, end in _steps(last, minutes):
            rows = list(self.between(first, end))
            shown = point(total(rows)) if rows else dict.fromkeys(SHOWN)
            for name, column in points.items():
                column.append(shown[name])
        return points


def point(traffic: Sequence[float]) -> dict[str, float | None]:
    """One point of a chart: requests per second, milliseconds, and the share of failed answers."""
    return {
        "rate": _short(traffic[COUNT] / traffic[SECONDS]) if traffic[SECONDS] else None,
        "p50": _short(percentile_ms(traffic, 0.5)),
        "p95": _short(percentile_ms(traffic, 0.95)),
        "p99": _short(percentile_ms(traffic, 0.99)),
        "average": _short(average_ms(traffic)),
        "errors": _short(traffic[ERRORS] / traffic[COUNT]) if traffic[COUNT] else 0.0,
    }


def times(last: int, minutes: int) -> list[int]:
    """Unix seconds at which the points of `columns` end."""
    return [(end + 1) * TICK_SECONDS for _, end in _steps(last, minutes)]


def _steps(last: int, minutes: int) -> list[tuple[int, int]]:
    """First and last tick of each point.

    Points begin at multiples, so a reload does not move them.
    """
    ticks = max(1, minutes * 60 // TICK_SECONDS // POINTS)
    end = (last + 1) // ticks * ticks
    return [(first, first + ticks - 1) for first in range(end - POINTS * ticks, end, ticks)]


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, 4 if number < 1 else 1)
