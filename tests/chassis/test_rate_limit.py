"""Buckets on a clock that the test controls."""

import pytest

from valerix.chassis.limits import rate_limit
from valerix.chassis.limits.origin import network_of
from valerix.chassis.limits.rate_limit import Buckets, RateLimited, RequestLimits


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_quota_may_be_sent_at_once_and_then_comes_back_evenly(clock: Clock) -> None:
    buckets = Buckets("user", 10, 60, clock)
    assert [buckets.take("ada").remaining for _ in range(10)] == list(range(9, -1, -1))
    refused = buckets.take("ada")
    assert (refused.remaining, round(refused.wait_seconds, 3), round(refused.reset_seconds, 3)) == (
        0,
        6.0,
        60.0,
    )
    clock.seconds += 6
    assert buckets.take("ada").wait_seconds == 0
    assert buckets.take("ada").wait_seconds > 0
    assert buckets.take("grace").remaining == 9
    clock.seconds += 3600
    assert buckets.take("ada").remaining == 9


def test_being_refused_does_not_prolong_the_wait(clock: Clock) -> None:
    buckets = Buckets("user", 1, 60, clock)
    buckets.take("ada")
    waits = {round(buckets.take("ada").wait_seconds, 3) for _ in range(100)}
    assert waits == {60.0}


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 100)
    buckets = Buckets("address", 10, 60, clock)
    for number in range(1000):
        buckets.take(str(number))
        clock.seconds += 0.001
    assert len(buckets._full_at) <= 100


def test_the_answer_tells_of_the_nearer_limit() -> None:
    limits = RequestLimits(per_address=5, per_user=3)
    here, elsewhere = network_of("10.0.0.1"), network_of("10.0.0.2")
    headers = dict(limits.admit(here, "ada"))
    assert headers == {b"ratelimit-policy": b'"user";q=3;w=60', b"ratelimit": b'"user";r=2;t=20'}
    assert dict(limits.admit(here, None))[b"ratelimit"].startswith(b'"address";r=3;t=')
    limits.admit(elsewhere, "ada")
    limits.admit(elsewhere, "ada")
    with pytest.raises(RateLimited) as refused:
        limits.admit(elsewhere, "ada")
    assert refused.value.status == 429
    wait = refused.value.headers["Retry-After"]
    assert 1 <= int(wait) <= 20
    assert refused.value.headers["RateLimit"] == f'"user";r=0;t={wait}', (
        "both figures name the same moment"
    )


def test_without_limits_nothing_is_counted_or_told() -> None:
    limits = RequestLimits(per_address=0, per_user=0)
    assert [limits.admit(network_of("10.0.0.1"), "ada") for _ in range(3)] == [[], [], []]
