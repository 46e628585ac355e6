"""Repeated requests against a misbehaving server: which ones, under which key, and for how long."""

from typing import Any

import pytest

from tests.client.conftest import Caller
from tests.client.server import CUT, DROP, ORDER, SILENCE, Act, Reply, Server, problem
from tests.support.workers import free_port
from valerix.client import Valerix, errors

CREATED = Reply(201, ORDER)
BAD_GATEWAY = Reply(502, b"Bad Gateway", {"Content-Type": "text/plain"})
NO_SERVER = Reply(503, b"no available server", {"Content-Type": "text/plain"})
NO_ROUTES = Reply(404, b"404 page not found", {"Content-Type": "text/plain"})
SHED = problem(503, "unavailable", retry_after=0)


def place(valerix: Any) -> Any:
    return valerix.orders.place("CUST-001", {"PROD-001": 2})


@pytest.mark.parametrize(
    "trouble",
    [
        DROP,
        CUT,
        SILENCE,
        BAD_GATEWAY,
        NO_SERVER,
        NO_ROUTES,
        SHED,
        problem(503, "outcome_unknown", retry_after=0),
        problem(409, "idempotency_key_in_flight", retry_after=0),
        problem(429, "too_many_requests", retry_after=0),
    ],
    ids=str,
)
async def test_placing_is_repeated_under_the_same_key(
    caller: Caller, server: Server, trouble: Act
) -> None:
    server.acts(trouble, trouble, CREATED)
    order = await caller.run(place, timeout_seconds=2 if trouble is SILENCE else 30)
    assert order.id == ORDER["id"]
    assert len(server.received) == 3
    assert len({request.headers["idempotency-key"] for request in server.received}) == 1
    assert all(request.body == server.received[0].body for request in server.received)


async def test_every_order_has_a_key_of_its_own_unless_one_is_given(
    caller: Caller, server: Server
) -> None:
    server.acts(CREATED)
    await caller.run(place)
    await caller.run(place)
    await caller.run(lambda v: v.orders.place("CUST-001", {"PROD-001": 2}, idempotency_key="mine"))
    first, second, third = (request.headers["idempotency-key"] for request in server.received)
    assert first != second
    assert third == "mine"


async def test_patience_ends_and_the_error_tells_the_key(caller: Caller, server: Server) -> None:
    server.acts(DROP)
    with pytest.raises(errors.NoAnswer) as caught:
        await caller.run(place, retry_seconds=2)
    assert len(server.received) > 1
    assert caught.value.idempotency_key == server.received[0].headers["idempotency-key"]


async def test_a_wish_to_wait_longer_than_patience_ends_it_at_once(
    caller: Caller, server: Server
) -> None:
    server.acts(problem(503, "unavailable", retry_after=60))
    with pytest.raises(errors.ServerFailed) as caught:
        await caller.run(place, retry_seconds=5)
    assert caught.value.retry_after == 60
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "answer",
    [
        problem(500, "internal"),
        problem(402, "payment_declined", order=ORDER),
        problem(409, "insufficient_stock", order=ORDER),
        problem(422, "idempotency_key_reused"),
        Reply(200, {"not": "an order"}),
    ],
    ids=str,
)
async def test_definite_answers_are_not_asked_for_again(
    caller: Caller, server: Server, answer: Reply
) -> None:
    server.acts(answer)
    with pytest.raises(errors.ValerixError):
        await caller.run(place)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "trouble", [DROP, CUT, BAD_GATEWAY, problem(503, "outcome_unknown", retry_after=0)], ids=str
)
async def test_what_has_no_key_is_not_repeated_when_it_may_have_happened(
    caller: Caller, server: Server, trouble: Act
) -> None:
    server.acts(trouble)
    with pytest.raises(errors.ValerixError):
        await caller.run(lambda v: v.orders.retry(ORDER["id"]))
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "trouble",
    [SHED, NO_SERVER, problem(429, "too_many_requests"), problem(409, "order_busy", retry_after=0)],
    ids=str,
)
async def test_what_has_no_key_is_repeated_when_it_was_not_begun(
    caller: Caller, server: Server, trouble: Act
) -> None:
    server.acts(trouble, Reply(200, ORDER))
    assert (await caller.run(lambda v: v.orders.retry(ORDER["id"]))).status == "confirmed"
    assert len(server.received) == 2


async def test_reading_and_cancelling_are_repeated(caller: Caller, server: Server) -> None:
    server.acts(DROP, Reply(200, ORDER))
    await caller.run(lambda v: v.orders.get(ORDER["id"]))
    server.acts(DROP, Reply(200, ORDER))
    await caller.run(lambda v: v.orders.cancel(ORDER["id"], reason="a & b"))
    assert [r.method for r in server.received] == ["GET", "GET", "DELETE", "DELETE"]
    assert server.received[-1].path == f"/api/v1/orders/{ORDER['id']}?reason=a+%26+b"


async def test_other_changes_carry_a_key_too(caller: Caller, server: Server) -> None:
    adjusted = {
        "productId": "P",
        "warehouseId": "W",
        "onHand": 1,
        "reserved": 0,
        "available": 1,
        "seq": 1,
    }
    server.acts(DROP, Reply(200, adjusted))
    await caller.run(lambda v: v.inventory.adjust("P", "W", 1, reason="found"))
    first, second = (request.body["idempotencyKey"] for request in server.received)
    assert first == second


def test_nobody_listening_is_told_apart_from_no_answer() -> None:
    with (
        Valerix(f"http://127.0.0.1:{free_port()}", retry_seconds=0.3) as valerix,
        pytest.raises(errors.NotConnected, match="refused") as caught,
    ):
        valerix.orders.place("CUST-001", {"PROD-001": 1})
    assert caught.value.idempotency_key
