"""Turns at one account, on a clock that the test controls."""

import pytest

from tests.chassis.test_rate_limit import Clock
from valerix.chassis.limits import rate_limit
from valerix.chassis.limits.rate_limit import TURN_KEPT_SECONDS, Turns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    """Ten at once, then one every two seconds."""
    return Turns("sign-in-account", 10, 20, 30, clock)


def spent(turns: Turns) -> Turns:
    assert [turns.take("ada", f"caller-{number}", newcomer=True) for number in range(10)] == [
        0.0
    ] * 10
    return turns


def test_callers_that_find_none_left_come_one_after_the_other(turns: Turns, clock: Clock) -> None:
    spent(turns)
    waits = {
        name: round(turns.take("ada", name, newcomer=True)) for name in ("first", "second", "third")
    }
    assert waits == {"first": 2, "second": 4, "third": 6}
    assert round(turns.take("ada", "first", newcomer=True)) == 2, (
        "a repeated attempt changes nothing"
    )
    clock.seconds += 4
    assert [turns.take("ada", name, newcomer=True) for name in ("second", "first")] == [0.0, 0.0]
    assert round(turns.take("ada", "third", newcomer=True)) == 2
    assert round(turns.take("ada", "first", newcomer=True)) == 4, "a turn is taken once"


def test_whoever_guesses_all_the_time_leaves_room_for_a_newcomer(
    turns: Turns, clock: Clock
) -> None:
    spent(turns)
    for _ in range(30):
        for guesser in range(100):
            turns.take("ada", f"guesser-{guesser}", newcomer=False)
        clock.seconds += 1
    wait = turns.take("ada", "owner", newcomer=True)
    assert 0 < wait <= 30
    clock.seconds += wait
    for guesser in range(100):
        turns.take("ada", f"guesser-{guesser}", newcomer=False)
    assert turns.take("ada", "owner", newcomer=True) == 0.0


def test_no_more_than_the_rate_is_let_in_however_many_ask(turns: Turns, clock: Clock) -> None:
    let_in = 0
    for _ in range(600):
        let_in += sum(
            turns.take("ada", f"caller-{n}", newcomer=n % 2 == 0) == 0.0 for n in range(40)
        )
        clock.seconds += 1
    assert 10 < let_in <= 10 + 300


def test_nobody_is_told_to_wait_longer_than_the_longest(turns: Turns) -> None:
    spent(turns)
    waits = [turns.take("ada", f"caller-{number}", newcomer=True) for number in range(10, 60)]
    assert max(waits) == 30


def test_a_turn_lapses_when_it_is_not_used(turns: Turns, clock: Clock) -> None:
    spent(turns)
    assert turns.take("ada", "late", newcomer=True) > 0
    clock.seconds += 2 + TURN_KEPT_SECONDS
    spent_again = [turns.take("ada", f"other-{number}", newcomer=True) for number in range(7)]
    assert spent_again[-1] == 0.0
    assert turns.take("ada", "late", newcomer=True) > 0


def test_what_is_given_back_is_there_for_the_next(turns: Turns) -> None:
    spent(turns).give_back("ada")
    assert turns.take("ada", "next", newcomer=True) == 0.0


def test_memory_of_turns_is_bounded(
    turns: Turns, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 100)
    for number in range(1000):
        turns.take(f"account-{number % 3}", f"caller-{number}", newcomer=True)
        turns.take(f"account-{number}", "caller", newcomer=True)
        clock.seconds += 0.001
    assert len(turns._full_at) <= 100
    assert len(turns._held) <= 100
