"""The parts of `load`: the schedule, counting, the meaning of answers, the verdict on an order."""

import itertools
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.server import ORDER
from valerix.cli.load.placed import Placed, is_answer, is_definite, kind, pause, replay_mismatch
from valerix.cli.load.report import contradiction, judge
from valerix.cli.load.schedule import Mix, visits
from valerix.cli.load.tally import ERROR, Histogram
from valerix.client.models import OrderEvent, Step
from valerix.client.steps import Answer, NoReply

AT = datetime(2026, 1, 1, tzinfo=UTC)
MIX = Mix(["A", "B", "C"], 4, {"card_declined": 0.25}, reads=1.5, duplicates=0.5)
LOST = NoReply("http://h: no answer in time", sent=True)


def problem(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(
        status, json.dumps({"code": code, "detail": f"Because {code}"}).encode(), headers or {}
    )


def order(status: int, **changed: object) -> Answer:
    return Answer(status, json.dumps({**ORDER, **changed}).encode())


def refused(status: int, code: str) -> Answer:
    document = {"code": code, "detail": f"Because {code}", "order": ORDER}
    return Answer(status, json.dumps(document).encode())


def after(*outcomes: Answer | NoReply, seconds: float = 0.02) -> Placed:
    placed = Placed("key", "CUST-001")
    for outcome in outcomes:
        placed.take(outcome, seconds)
    return placed


def event(status: str, *steps: Step, **more: Any) -> OrderEvent:
    fields = {
        "version": 1,
        "type": f"order.{status}",
        "occurred_at": AT,
        "trace_id": "",
        "status": status,
        "steps": list(steps),
        **more,
    }
    return OrderEvent(**fields)


def step(name: str, outcome: str = "ok", ms: float = 5, **more: Any) -> Step:
    started = AT + timedelta(milliseconds=1)
    return Step(name=name, attempt=1, outcome=outcome, started_at=started, duration_ms=ms, **more)


# --- the schedule


def test_the_same_seed_asks_for_the_same() -> None:
    first, again, other = (list(itertools.islice(visits(MIX, seed, 50), 100)) for seed in (1, 1, 2))
    assert first == again != other


def test_the_mix_is_what_was_asked_for() -> None:
    sample = list(itertools.islice(visits(MIX, 7, 100), 20_000))
    assert sample[-1].at == pytest.approx(200, rel=0.05)
    sold = Counter(product for visit in sample for product in visit.items)
    assert sold["A"] > sold["B"] > sold["C"] > 0
    assert {visit.customer for visit in sample} == {0, 1, 2, 3}
    assert {quantity for visit in sample for quantity in visit.items.values()} == {1, 2, 3}
    assert sum(visit.payment_method == "card_declined" for visit in sample) == pytest.approx(
        5000, rel=0.1
    )
    assert sum(visit.duplicate for visit in sample) == pytest.approx(10_000, rel=0.1)
    assert sum(len(visit.reads) for visit in sample) == pytest.approx(30_000, rel=0.05)


def test_without_a_rate_nobody_waits_for_the_clock() -> None:
    assert {visit.at for visit in itertools.islice(visits(MIX, 1, None), 10)} == {0.0}


# --- counting


@given(
    st.lists(st.floats(1e-4, 5000), min_size=1, max_size=300),
    st.sampled_from([0.5, 0.95, 0.99, 1.0]),
)
def test_quantiles_are_within_the_stated_error(values: list[float], part: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    exact = sorted(values)[max(0, -(-int(part * 100) * len(values) // 100) - 1)]
    assert histogram.quantile(part) == pytest.approx(exact, rel=ERROR * 1.01)
    assert histogram.max == max(values)


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile(0.99) == 0


# --- the meaning of answers


@pytest.mark.parametrize(
    ("outcome", "answers", "ends", "name"),
    [
        (order(201), True, True, "201"),
        (order(202), True, False, "202"),
        (order(200)._replace(headers={"idempotent-replayed": "true"}), True, True, "200 replayed"),
        (problem(402, "payment_declined"), True, True, "402 payment_declined"),
        (problem(409, "insufficient_stock"), True, True, "409 insufficient_stock"),
        (problem(409, "key_in_flight", {"retry-after": "1"}), False, False, "409 key_in_flight"),
        (problem(404, "order_not_found"), True, True, "404 order_not_found"),
        (Answer(404, b"404 page not found"), False, False, "404"),
        (problem(429, "too_many"), False, False, "429 too_many"),
        (problem(500, "internal"), False, False, "500 internal"),
        (Answer(502, b"Bad Gateway"), False, False, "502"),
        (LOST, False, False, "no answer"),
    ],
    ids=str,
)
def test_what_is_no_answer_is_asked_for_again(
    outcome: Answer | NoReply, answers: bool, ends: bool, name: str
) -> None:
    assert (is_answer(outcome), is_definite(outcome), kind(outcome)) == (answers, ends, name)


def test_pauses_grow_and_respect_what_was_asked_for() -> None:
    random.seed(1)
    assert 0.05 <= pause(LOST, 0) <= 0.1
    assert 5 <= pause(LOST, 1_000_000) <= 10
    assert pause(problem(503, "unavailable", {"retry-after": "7"}), 0) == 7


@pytest.mark.parametrize(
    ("again", "wrong"),
    [
        (Answer(200, b"x", {"idempotent-replayed": "true"}), None),
        (Answer(200, b"x"), "is not marked as a replay"),
        (Answer(201, b"x", {"idempotent-replayed": "true"}), "has status 201 after 201"),
        (Answer(200, b"y", {"idempotent-replayed": "true"}), "has another body"),
    ],
    ids=str,
)
def test_a_replay_is_the_same_bytes(again: Answer, wrong: str | None) -> None:
    assert replay_mismatch(Answer(201, b"x"), again) == wrong


# --- the verdict


def test_an_order_that_simply_went_through_is_not_listed() -> None:
    assert (
        judge(after(order(201)), [event("pending"), event("confirmed", step("reserve_stock"))])
        is None
    )


@pytest.mark.parametrize(
    ("placed", "events", "effects", "reason"),
    [
        (
            after(order(201), seconds=1.5),
            [event("confirmed", step("charge", ms=1400))],
            ["late"],
            "charge took 1400 ms",
        ),
        (
            after(order(201), seconds=1.5),
            [event("confirmed", step("a", ms=0.5))],
            ["late"],
            "waited 1 ms behind",
        ),
        (after(LOST, order(201)), [event("confirmed")], ["retried"], "no answer in time"),
        (
            after(order(202, errorMessage="Circuit breaker is open"), order(200)),
            [
                event("pending", step("reserve_stock", "failed")),
                event("confirmed", step("reserve_stock")),
            ],
            ["pending", "retried"],
            "Circuit breaker is open",
        ),
        (
            after(order(201)),
            [
                event(
                    "processing",
                    step("ship", "failed"),
                    type="order.delayed",
                    error_message="Inventory is away",
                )
            ],
            ["retried"],
            "Inventory is away",
        ),
        (
            after(order(201)),
            [
                event(
                    "confirmed",
                    step("charge", "failed", detail="the connection was lost"),
                    step("charge"),
                )
            ],
            ["retried"],
            "charge: the connection was lost",
        ),
        (
            after(refused(402, "payment_declined")),
            [event("failed")],
            ["declined"],
            "Because payment_declined",
        ),
        (
            after(refused(409, "insufficient_stock")),
            [event("pending")],
            ["short of stock"],
            "Because insufficient",
        ),
        (
            after(refused(422, "unknown_product")),
            [event("failed")],
            ["failed"],
            "Because unknown_product",
        ),
        (after(LOST, LOST), None, ["unanswered", "retried"], "no answer in time"),
        (
            after(order(202, errorMessage="Waiting")),
            [event("pending")],
            ["pending", "unfinished"],
            "Waiting",
        ),
    ],
)
def test_every_other_order_is_listed_with_its_reason(
    placed: Placed, events: list[OrderEvent] | None, effects: list[str], reason: str
) -> None:
    affected = judge(placed, events)
    assert affected is not None
    assert affected.effects == effects
    assert reason in affected.reasons[0]
    assert affected.status == (events[-1].status if events else "unknown")


@pytest.mark.parametrize(
    ("placed", "status", "found"),
    [
        (after(order(201)), "completed", False),
        (after(order(201)), "cancelled", False),
        (after(order(201)), "pending", True),
        (after(order(201)), "failed", True),
        (after(refused(402, "payment_declined")), "failed", False),
        (after(refused(402, "payment_declined")), "confirmed", True),
        (after(problem(403, "forbidden")), "unknown", True),
    ],
)
def test_an_answer_that_does_not_fit_the_end_is_a_violation(
    placed: Placed, status: str, found: bool
) -> None:
    assert (contradiction(placed, [event(status)]) is not None) == found
