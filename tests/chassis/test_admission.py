"""The admission limit follows the waiting time behind it."""

import pytest

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.limits.admission import LEAST, LOOKS, Admission

MAX_WAIT = 0.3
PUBLIC, INTERNAL = "/api/v1/things", "/internal/v1/things"


def admits(admission: Admission, path: str) -> bool:
    try:
        admission.check(path)
    except Unavailable:
        return False
    return True


def overload(admission: Admission, times: int = 1) -> None:
    for _ in range(times * LOOKS):
        admission.saw(MAX_WAIT * 2)


def test_a_burst_changes_nothing() -> None:
    admission = Admission(1000, MAX_WAIT)
    for wait in (MAX_WAIT * 5, MAX_WAIT * 5, MAX_WAIT * 0.6, MAX_WAIT * 5):
        admission.saw(wait)
    assert admission.limit == 1000


def test_lasting_waiting_lowers_the_limit_from_what_is_there_and_quiet_brings_it_back() -> None:
    admission = Admission(1000, MAX_WAIT)
    admission.in_flight = 500
    overload(admission)
    assert admission.limit == 400
    overload(admission, times=100)
    assert admission.limit == LEAST
    for _ in range(100):
        admission.saw(0.0)
    assert admission.limit == 1000


def test_a_low_ceiling_stays_one_however_long_requests_wait() -> None:
    admission = Admission(LEAST // 2, MAX_WAIT)
    admission.in_flight = LEAST // 2
    overload(admission)
    assert admission.limit == LEAST // 2


def test_one_too_many_is_shed_but_never_who_looks_after_it() -> None:
    admission = Admission(10, MAX_WAIT)
    admission.in_flight = 11
    assert not admits(admission, PUBLIC)
    assert admission.shed == 1
    for path in (
        "/health",
        "/ready",
        "/metrics",
        "/health/deep",
        "/api/v1/resilience",
        "/api/v1/chaos",
    ):
        assert admits(admission, path)


@pytest.mark.parametrize(("in_flight", "admitted"), [(900, True), (1001, False)])
def test_accepted_work_goes_on_while_new_work_is_shed(in_flight: int, admitted: bool) -> None:
    admission = Admission(1000, MAX_WAIT)
    admission.in_flight = 500
    overload(admission)
    admission.in_flight = in_flight
    assert not admits(admission, PUBLIC)
    assert admits(admission, INTERNAL) is admitted
