"""One call to another service for a list of runs.

Each run notes the attempts of the call; if the call fails, its runs wait.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from valerix.chassis.base.deadline import Now
from valerix.chassis.calls.client import (
    Attempt,
    BreakerOpen,
    CallFailed,
    Refused,
    Report,
    Unacceptable,
    Withheld,
)
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.halves import by_halves
from valerix.orders import decisions
from valerix.orders.decisions import Decision, Retry, SagaRun, Step

T = TypeVar("T")
STEPS: Final = (
    "validate_customer",
    "reserve_stock",
    "charge",
    "void_payment",
    "release_stock",
    "ship",
)
DONE: Final = {step: Point(f"saga.{step}.done") for step in STEPS}
Call = Callable[[Sequence[SagaRun], Report], Awaitable[list[T]]]
"""One call for some runs; it returns an outcome for each of them."""


class StepCalls:
    """Makes the calls of the saga's steps."""

    def __init__(self, retry: Retry, now: Now, chance: Callable[[], float]) -> None:
        """`chance` returns numbers in [0, 1), which spread load."""
        self._retry = retry
        self._now = now
        self._chance = chance

    async def make(
        self, runs: Sequence[SagaRun], name: str, call: Call[T]
    ) -> list[tuple[SagaRun, T]]:
        """Make one call for all runs and return the answered runs with their outcomes.

        If the call fails, its runs wait and record the reason. If a list is refused for its
        content, it is sent again in halves, so that only the refused order waits.
        """
        parts = await by_halves(runs, partial(self._ask, name, call), (Unacceptable,))
        answered = [
            zip(part, outcome, strict=False)
            for part, outcome in parts
            if not isinstance(outcome, Exception)
        ]
        return [pair for pairs in answered for pair in pairs]

    async def _ask(self, name: str, call: Call[T], runs: Sequence[SagaRun]) -> list[T]:
        """Return the outcomes; none if the call failed. Raises Unacceptable."""
        attempts: list[Attempt] = []
        try:
            outcomes = await call(runs, attempts.append)
            await DONE[name].passed()
        except CallFailed as failure:
            unacceptable = isinstance(failure, Unacceptable)
            if unacceptable and len(runs) > 1:
                raise
            if isinstance(failure, Withheld):
                attempts.append(Attempt(self._now(), 0.0, failure))
            _note(runs, name, attempts)
            for run in runs:
                run.compensate = False
                run.decision = self._wait_for(run, failure)
            if unacceptable:
                raise
            return []
        _note(runs, name, attempts)
        return outcomes

    def _wait_for(self, run: SagaRun, failure: CallFailed) -> Decision:
        code = f"{failure.dependency}_unavailable"
        if isinstance(failure, BreakerOpen):
            seconds = failure.retry_after_seconds
            return decisions.waiting(
                run.order, code, failure.reason, seconds, self._retry, self._chance()
            )
        kind = "refused the call" if isinstance(failure, Refused) else "is not available"
        return self.postpone(
            run, code, f"{failure.dependency.capitalize()} {kind}: {failure.reason}"
        )

    def postpone(self, run: SagaRun, code: str, message: str) -> Decision:
        """Decide to drive the order again later, after a pause that grows with each attempt."""
        return decisions.delayed(run.order, code, message, self._retry, self._chance())


def _note(runs: Sequence[SagaRun], name: str, attempts: Sequence[Attempt]) -> None:
    for run in runs:
        number = sum(step.name == name for step in run.steps)
        run.steps += [
            _step(name, number + place, attempt) for place, attempt in enumerate(attempts, 1)
        ]


def _step(name: str, number: int, attempt: Attempt) -> Step:
    failure = attempt.failure
    outcome = (
        "ok" if failure is None else "not_tried" if isinstance(failure, Withheld) else "failed"
    )
    return Step(
        name,
        number,
        outcome,
        attempt.started_at,
        attempt.duration_ms,
        failure.reason if failure else None,
    )
