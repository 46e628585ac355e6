"""Breaker, retry budget, back-off and bulkhead, against rules and a clock of the test."""

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from valerix.chassis.base.rolling import RollingSums
from valerix.chassis.calls.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from valerix.chassis.calls.bulkhead import Bulkhead
from valerix.chassis.calls.policy import Policy
from valerix.chassis.calls.retry import RetryBudget, backoff

POLICY = Policy()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def breaker_with(clock: Clock) -> tuple[Breaker, list[str]]:
    states: list[str] = []
    return Breaker(POLICY, states.append, clock), states


def call(breaker: Breaker, succeeded: bool | None) -> bool:
    """Whether the breaker admitted a call."""
    permit = breaker.enter()
    if permit is not None:
        breaker.leave(permit, succeeded)
    return permit is not None


def test_it_opens_at_the_fifth_failure_and_not_before() -> None:
    breaker, states = breaker_with(Clock())
    for _ in range(4):
        call(breaker, False)
        assert breaker.state == CLOSED
    call(breaker, False)
    assert (breaker.state, states) == (OPEN, [OPEN])
    assert not call(breaker, True)


def test_failures_below_half_of_the_calls_do_not_open_it() -> None:
    breaker, _ = breaker_with(Clock())
    for _ in range(6):
        call(breaker, True)
    for _ in range(5):
        call(breaker, False)
    assert breaker.state == CLOSED
    call(breaker, False)
    assert breaker.state == OPEN


def test_old_failures_are_forgotten() -> None:
    clock = Clock()
    breaker, _ = breaker_with(clock)
    for _ in range(4):
        call(breaker, False)
    clock.now += POLICY.window_seconds
    call(breaker, False)
    assert (breaker.state, breaker.window()) == (CLOSED, (1, 1))


@pytest.mark.parametrize("well", [True, False])
def test_one_trial_decides(well: bool) -> None:
    clock = Clock()
    breaker, states = breaker_with(clock)
    for _ in range(5):
        call(breaker, False)
    assert breaker.opens_in() == POLICY.open_seconds
    clock.now += POLICY.open_seconds
    assert breaker.state == HALF_OPEN
    trial = breaker.enter()
    assert trial is not None
    assert breaker.enter() is None
    breaker.leave(trial, well)
    assert states == [OPEN, HALF_OPEN, CLOSED if well else OPEN]
    assert breaker.state == states[-1]


def test_a_breaker_that_closed_counts_anew() -> None:
    """Also while the failures that opened it are still within its window."""
    clock = Clock()
    breaker = Breaker(Policy(open_seconds=1.0), clock=clock)
    for _ in range(5):
        call(breaker, False)
    clock.now += 1.0
    assert call(breaker, True)
    assert breaker.opens_in() == 0.0
    call(breaker, False)
    assert (breaker.state, breaker.window()) == (CLOSED, (1, 1))


def test_a_cancelled_trial_lets_the_next_one_try() -> None:
    clock = Clock()
    breaker, _ = breaker_with(clock)
    for _ in range(5):
        call(breaker, False)
    clock.now += POLICY.open_seconds
    call(breaker, None)
    assert breaker.state == HALF_OPEN
    assert call(breaker, True)
    assert breaker.state == CLOSED


def test_what_was_sent_before_it_opened_says_nothing_afterwards() -> None:
    clock = Clock()
    breaker, _ = breaker_with(clock)
    early = breaker.enter()
    assert early is not None
    for _ in range(5):
        call(breaker, False)
    clock.now += POLICY.open_seconds
    trial = breaker.enter()
    assert trial is not None
    breaker.leave(early, True)
    assert (breaker.state, breaker.enter()) == (HALF_OPEN, None)


class BreakerRules(RuleBasedStateMachine):
    """Any calls, overlapping in any way: the guarantees for users of the breaker."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker, self.states = breaker_with(self.clock)
        self.under_way: list[tuple[int, str]] = []

    @rule()
    def enters(self) -> None:
        state = self.breaker.state
        permit = self.breaker.enter()
        assert (permit is None) == (state == OPEN or (state == HALF_OPEN and self.trials() == 1))
        if permit is not None:
            self.under_way.append((permit, state))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), succeeded=st.sampled_from([True, False, None]))
    def leaves(self, data: st.DataObject, succeeded: bool | None) -> None:
        place = data.draw(st.integers(0, len(self.under_way) - 1))
        permit, _ = self.under_way.pop(place)
        self.breaker.leave(permit, succeeded)

    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    def trials(self) -> int:
        return sum(state == HALF_OPEN for _, state in self.under_way)

    @invariant()
    def one_trial_at_most(self) -> None:
        assert self.trials() <= 1

    @invariant()
    def states_follow_one_another(self) -> None:
        for before, after in zip([CLOSED, *self.states], self.states, strict=False):
            assert (before, after) in {
                (CLOSED, OPEN),
                (OPEN, HALF_OPEN),
                (HALF_OPEN, HALF_OPEN),
                (HALF_OPEN, OPEN),
                (HALF_OPEN, CLOSED),
            }

    @invariant()
    def it_is_never_open_for_ever(self) -> None:
        assert self.breaker.opens_in() <= POLICY.open_seconds


TestBreakerRules = BreakerRules.TestCase


@given(calls=st.integers(0, 2000))
def test_retries_stay_within_their_share_of_the_calls(calls: int) -> None:
    budget = RetryBudget(0.1, Clock())
    retries = 0
    for _ in range(calls):
        budget.deposit()
        while budget.take():
            retries += 1
    assert retries <= RetryBudget.CAPACITY + 0.1 * calls + 1e-6


def test_a_lone_call_gets_its_retries_again_after_a_while() -> None:
    clock = Clock()
    budget = RetryBudget(0.1, clock)
    while budget.take():
        pass
    clock.now += 3 / RetryBudget.PER_SECOND
    assert [budget.take() for _ in range(4)] == [True, True, True, False]


@given(retry=st.integers(1, 3), wanted=st.floats(0, 100))
def test_pauses_double_are_jittered_and_respect_what_the_other_side_wants(
    retry: int, wanted: float
) -> None:
    pause = backoff(1.0, retry, wanted)
    assert wanted <= pause <= wanted + 2 ** (retry - 1)


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(-5, 5)), max_size=50))
def test_rolling_sums_forget_exactly_what_is_over(added: list[tuple[float, int]]) -> None:
    clock = Clock()
    sums = RollingSums(10.0, steps=10, clock=clock)
    kept: deque[tuple[int, int]] = deque()
    for pause, value in added:
        clock.now += pause
        sums.add(value)
        kept.append((int(clock.now), value))
        while kept[0][0] <= int(clock.now) - 10:
            kept.popleft()
        assert sums.totals() == (len(kept), sum(value for _, value in kept))


async def test_a_bulkhead_lets_the_next_in_when_one_leaves_and_refuses_when_the_queue_is_full() -> (
    None
):
    bulkhead = Bulkhead(2)
    assert [await bulkhead.enter(0), await bulkhead.enter(0)] == [True, True]
    waiting = [asyncio.create_task(bulkhead.enter(60)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not await bulkhead.enter(60)
    bulkhead.leave()
    assert await waiting[0]
    assert bulkhead.inside == 2
    waiting[1].cancel()
    await asyncio.gather(waiting[1], return_exceptions=True)
    bulkhead.leave()
    bulkhead.leave()
    assert bulkhead.inside == 0


async def test_a_place_that_was_handed_over_at_the_moment_of_cancellation_is_not_lost() -> None:
    bulkhead = Bulkhead(1)
    assert await bulkhead.enter(0)
    waiting = asyncio.create_task(bulkhead.enter(60))
    await asyncio.sleep(0)
    bulkhead.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert bulkhead.inside == 0
    assert await bulkhead.enter(0)


async def test_patience_with_a_full_bulkhead_ends() -> None:
    bulkhead = Bulkhead(1)
    assert await bulkhead.enter(0)
    assert not await bulkhead.enter(0.01)
    bulkhead.leave()
    assert bulkhead.inside == 0
