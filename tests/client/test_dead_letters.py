"""Dead letters through both clients."""

import pytest

from tests.client.conftest import Caller
from tests.client.server import AT, Reply, Server, problem
from valerix.client import errors
from valerix.client.calls import CONSUMERS

SUMMARY = {
    "id": 3,
    "consumer": "orders",
    "eventType": "valerix.customer.updated.v1",
    "subject": "u-1",
    "error": "KeyError('status')",
    "attempts": 1,
    "failedAt": AT,
    "replayedAt": None,
}
LETTER = {
    "id": 3,
    "consumer": "orders",
    "event": {"type": "valerix.customer.updated.v1", "subject": "u-1", "data": {}},
    "error": "KeyError('status')",
    "attempts": 1,
    "failedAt": AT,
    "replayedAt": AT,
}


async def test_dead_letters_are_read_page_by_page(caller: Caller, server: Server) -> None:
    server.acts(
        Reply(200, {"items": [SUMMARY], "nextCursor": "c"}), Reply(200, {"items": [SUMMARY]})
    )
    found = await caller.run(lambda v: v.dead_letters.list("orders", waiting=True))
    assert [letter.event_type for letter in found] == ["valerix.customer.updated.v1"] * 2
    assert [request.path for request in server.received] == [
        "/api/v1/orders/dead-letters?limit=100&waiting=true",
        "/api/v1/orders/dead-letters?limit=100&cursor=c&waiting=true",
    ]


async def test_one_is_read_with_its_event(caller: Caller, server: Server) -> None:
    server.acts(Reply(200, LETTER))
    letter = await caller.run(lambda v: v.dead_letters.get("inventory", 3))
    assert (letter.event, letter.error) == (LETTER["event"], LETTER["error"])
    assert server.received[0].path == "/api/v1/inventory/dead-letters/3"


async def test_a_replay_is_sent_again_because_it_can_take_effect_only_once(
    caller: Caller, server: Server
) -> None:
    server.acts(problem(502, "bad_gateway"), Reply(200, LETTER))
    assert (await caller.run(lambda v: v.dead_letters.replay("orders", 3))).replayed_at is not None
    assert [(r.method, r.path) for r in server.received] == [
        ("POST", "/api/v1/orders/dead-letters/3/replay")
    ] * 2


async def test_a_replay_that_still_fails_carries_the_cause(caller: Caller, server: Server) -> None:
    server.acts(problem(409, "still_fails", "KeyError('status')"))
    with pytest.raises(errors.Conflict, match="KeyError"):
        await caller.run(lambda v: v.dead_letters.replay("orders", 3))
    assert len(server.received) == 1


async def test_only_those_who_listen_have_dead_letters(caller: Caller, server: Server) -> None:
    assert CONSUMERS == ("inventory", "notifications", "orders", "users")
    with pytest.raises(
        ValueError, match="'payments' is none of inventory, notifications, orders, users"
    ):
        await caller.run(lambda v: v.dead_letters.get("payments", 1))
    assert server.received == []
