"""Fault injection through both clients: the requests sent, and the answers read."""

from typing import Any

import pytest

from tests.client.conftest import Caller
from tests.client.server import AT, Reply, Server, problem
from valerix.client import errors

STATE = {
    "service": "orders",
    "active": [
        {
            "id": "f-1",
            "state": "active",
            "fault": {
                "kind": "gremlin",
                "every": 2,
                "delayMs": 10,
                "times": None,
                "path": None,
                "durationSeconds": 60,
            },
            "by": "root",
            "since": AT,
            "until": AT,
            "stoppedAt": None,
            "stoppedBy": None,
            "strikes": 3,
            "strikesByCopy": {"orders": 1, "orders-2": 2},
        }
    ],
    "history": [],
    "copies": ["orders", "orders-2"],
    "failpoints": ["orders.accepted"],
    "behaviours": [],
    "dependencies": ["users"],
}


@pytest.mark.parametrize(
    ("name", "arguments", "options", "body"),
    [
        (
            "gremlin",
            [],
            {"every": 2, "delay_ms": 10},
            {"kind": "gremlin", "every": 2, "delayMs": 10},
        ),
        (
            "crash",
            [],
            {"how": "kill", "times": 3, "path": "/v1"},
            {"how": "kill", "times": 3, "path": "/v1"},
        ),
        ("errors", [], {"fraction": 0.1}, {"kind": "errors", "fraction": 0.1}),
        ("cut", ["users"], {}, {"kind": "cut", "dependency": "users"}),
        (
            "failpoint",
            ["orders.accepted"],
            {"action": "hang"},
            {"point": "orders.accepted", "action": "hang"},
        ),
        (
            "behaviour",
            ["decline"],
            {"times": 1},
            {"kind": "behaviour", "name": "decline", "times": 1},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_fault_is_sent_as_it_was_asked_for(
    caller: Caller,
    server: Server,
    name: str,
    arguments: list[Any],
    options: dict[str, Any],
    body: dict[str, Any],
) -> None:
    server.acts(problem(502, "bad_gateway"), Reply(200, STATE))
    state = await caller.run(
        lambda v: getattr(v.chaos, name)("orders", *arguments, seconds=30, **options)
    )
    assert state.active[0].strikes_by_copy == {"orders": 1, "orders-2": 2}
    assert [(r.method, r.path) for r in server.received] == [("PUT", "/api/v1/chaos/orders")] * 2
    assert server.received[0].body == {"kind": name, "durationSeconds": 30, **body}


async def test_all_services_are_seen_and_stopped_at_once(caller: Caller, server: Server) -> None:
    server.acts(Reply(200, {"items": [STATE], "nextCursor": None}))
    assert [one.service for one in (await caller.run(lambda v: v.chaos.overview())).items] == [
        "orders"
    ]
    assert [one.copies for one in (await caller.run(lambda v: v.chaos.stop_all())).items] == [
        ["orders", "orders-2"]
    ]
    assert [(r.method, r.path) for r in server.received] == [
        ("GET", "/api/v1/chaos"),
        ("DELETE", "/api/v1/chaos"),
    ]


async def test_where_chaos_is_not_allowed_it_says_so(caller: Caller, server: Server) -> None:
    server.acts(problem(404, "chaos_disabled", "Fault injection is disabled here"))
    with pytest.raises(errors.NotFound, match="Fault injection is disabled here"):
        await caller.run(lambda v: v.chaos.stop("orders"))
