"""The answers that repeated requests get."""

import pytest

from tests.orders.test_domain import order
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.orders.answers import Answer, replay
from valerix.orders.repository.placing import ExistingOrder


def known(status: int | None, body: str | None, error_code: str | None = None) -> ExistingOrder:
    standing = order()
    standing.error_code = error_code
    return ExistingOrder(standing, b"fingerprint", status, body, b"key")


@pytest.mark.parametrize(("first", "again"), [(201, 200), (402, 402), (409, 409)])
def test_a_repeated_request_gets_the_first_body_and_201_becomes_200(first: int, again: int) -> None:
    assert replay(b"fingerprint", known(first, '{"a": 1}')) == Answer(
        "id", again, b'{"a": 1}', replayed=True
    )


def test_a_request_without_a_definite_answer_is_in_flight_until_its_order_says_why_it_waits() -> (
    None
):
    assert isinstance(replay(b"fingerprint", known(None, None)), KeyInFlight)
    delayed = replay(b"fingerprint", known(None, None, "inventory_unavailable"))
    assert isinstance(delayed, Answer)
    assert (delayed.status, delayed.replayed) == (202, True)


def test_a_key_belongs_to_one_request() -> None:
    assert isinstance(replay(b"another", known(201, "{}")), KeyReused)
