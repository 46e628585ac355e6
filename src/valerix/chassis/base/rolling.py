"""Count and sum over the last seconds. Old values are dropped in steps."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


class RollingSums:
    """Count and sum of the values added during the last `seconds`.

    The window moves in `steps` equal steps, so it can be up to one step shorter than `seconds`.
    """

    def __init__(self, seconds: float, steps: int = 10, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._steps = steps
        self.cover(seconds)

    def cover(self, seconds: float) -> None:
        """Empties the window and gives it another length."""
        self.seconds = seconds
        self._width = seconds / self._steps
        self.clear()

    def add(self, value: float) -> None:
        place = self._turn()
        self._counts[place] += 1
        self._sums[place] += value

    def totals(self) -> tuple[int, float]:
        """(count, sum) of the values in the window."""
        self._turn()
        return sum(self._counts), sum(self._sums)

    def mean(self) -> float | None:
        """The mean of the values in the window; None when it is empty."""
        count, total = self.totals()
        return total / count if count else None

    def clear(self) -> None:
        self._counts = [0] * self._steps
        self._sums = [0.0] * self._steps
        self._step = int(self._clock() / self._width)

    def _turn(self) -> int:
        """Drops the steps that have left the window; returns the index of the current step."""
        step = int(self._clock() / self._width)
        if step != self._step:
            for passed in range(max(self._step + 1, step - self._steps + 1), step + 1):
                self._counts[passed % self._steps], self._sums[passed % self._steps] = 0, 0.0
            self._step = step
        return step % self._steps
