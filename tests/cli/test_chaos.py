"""`chaos` against a scripted server: what it sends, prints, and how it exits."""

import json
from typing import Any

import pytest

from tests.cli.samples import Run, one_line
from tests.client.server import Reply, Server, problem
from tests.client.test_chaos import STATE
from tests.support.commands import run
from valerix.cli.chaos import describe

NOTHING = {**STATE, "active": []}


@pytest.fixture
def at(server: Server) -> Run:
    return lambda *words: run("chaos", *words, VALERIX_URL=server.url, VALERIX_TOKEN="mine")


def test_a_fault_is_told_in_words_with_where_and_how_long(at: Run, server: Server) -> None:
    server.acts(Reply(200, STATE))
    done = at("gremlin", "orders", "--every", "2", "--delay-ms", "10", "--for", "5m")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "orders: one request in 2 waits 10 ms"
    assert lines[1].endswith("in force in orders, orders-2")
    assert lines[2].startswith("Next: ./valerix load")
    assert server.received[0].body == {
        "kind": "gremlin",
        "durationSeconds": 300,
        "every": 2,
        "delayMs": 10,
    }


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"kind": "gremlin", "every": 1, "delayMs": 5, "path": "/v1"},
            "every request of /v1 waits 5 ms",
        ),
        (
            {"kind": "crash", "how": "kill", "times": 1},
            "after a change is committed and before its reply, the process is killed, once",
        ),
        ({"kind": "errors", "fraction": 0.25}, "25% of the requests are answered 503"),
        ({"kind": "cut", "dependency": "users"}, "calls to users fail as if the network were gone"),
        (
            {
                "kind": "failpoint",
                "point": "orders.accepted",
                "action": "hang",
                "delayMs": 5,
                "times": 3,
            },
            "at orders.accepted: hang 5 ms, 3 times",
        ),
        ({"kind": "behaviour", "name": "decline", "fraction": 1.0}, "behaviour decline"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_every_kind_has_words(fault: dict[str, Any], words: str) -> None:
    assert describe(fault) == words


def test_status_shows_strikes_by_copy_or_that_there_is_nothing(at: Run, server: Server) -> None:
    server.acts(Reply(200, {"items": [STATE]}))
    shown = at().stdout
    assert "3 (orders 1, orders-2 2)" in shown
    assert "chaos stop" in shown
    assert json.loads(at("--json").stdout)["items"][0]["service"] == "orders"
    server.acts(Reply(200, {"items": [NOTHING]}))
    assert at().stdout.startswith("Nothing is injected.\n")
    assert at("history").stdout == "Nothing was injected before.\n"


def test_stopping_says_how_many_ended(at: Run, server: Server) -> None:
    server.acts(Reply(200, {"items": [STATE]}), Reply(200, {"items": [NOTHING]}))
    assert at("stop").stdout.startswith("Ended 1 fault.\n")
    assert [request.method for request in server.received] == ["GET", "DELETE"]


def test_an_installation_without_chaos_says_how_to_allow_it(at: Run, server: Server) -> None:
    server.acts(
        problem(
            404,
            "chaos_disabled",
            "Fault injection is disabled here; start with VALERIX_CHAOS=enabled",
        )
    )
    done = at("crash", "orders", "--kill")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        one_line(done.stderr)
        == "Fault injection is disabled here; start with VALERIX_CHAOS=enabled"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["gremlin", "nobody"],
        ["gremlin", "orders", "--for", "2h"],
        ["crash", "orders", "--next", "0"],
        ["cut", "orders"],
    ],
    ids=str,
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    done = run("chaos", *words, "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
