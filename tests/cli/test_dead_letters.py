"""`bus dead-letters` against a scripted server, and against a real service that has one."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.cli.samples import Run, one_line
from tests.client.server import Reply, Server, problem
from tests.client.test_dead_letters import LETTER, SUMMARY
from tests.support.commands import run
from tests.support.identities import Identities
from tests.support.processes import running

NOWHERE = "http://127.0.0.1:9"
EVENT = {
    "id": "u-1:2",
    "source": "/valerix/users",
    "type": "valerix.customer.updated.v1",
    "subject": "u-1",
    "time": "2026-01-02T03:04:05Z",
    "sequence": 2,
    "data": {"customerId": "CUST-001", "status": "suspended"},
}
CAUSE = "ALTER TABLE customers_seen ADD CONSTRAINT cause CHECK (standing <> 'suspended')"


@pytest.fixture
def at(server: Server) -> Run:
    return lambda *words: run(
        "bus", "dead-letters", *words, VALERIX_URL=server.url, VALERIX_TOKEN="mine"
    )


def test_the_dead_letters_of_all_services_are_one_table(at: Run, server: Server) -> None:
    server.acts(
        *[
            Reply(200, {"items": [{**SUMMARY, "consumer": name}]})
            for name in ("inventory", "notifications")
        ]
    )
    done = at()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("valerix.customer.updated.v1") == 4
    assert [request.path.split("?")[0] for request in server.received] == [
        f"/api/v1/{name}/dead-letters" for name in ("inventory", "notifications", "orders", "users")
    ]
    assert all("waiting=true" in request.path for request in server.received)


def test_one_service_can_be_asked_and_replayed_ones_be_shown(at: Run, server: Server) -> None:
    server.acts(Reply(200, {"items": []}))
    assert at("orders", "--all").stdout == "There are no dead letters.\n"
    assert [request.path for request in server.received] == [
        "/api/v1/orders/dead-letters?limit=100"
    ]


def test_a_service_that_is_down_is_named_and_hides_nothing(at: Run, server: Server) -> None:
    down = problem(503, "no_server", "No server", retry_after=60)
    found = Reply(200, {"items": [SUMMARY]})
    script = [found, down, found, found]
    server.acts(*script)
    done = at("list")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith("notifications could not be queried: No server.")
    assert done.stdout.count("valerix.customer.updated.v1") == 3
    server.acts(*script)
    document = json.loads(at("--json").stdout)
    assert len(document["items"]) == 3
    assert list(document["notAsked"]) == ["notifications"]


def test_all_that_wait_are_replayed_and_those_that_fail_are_told(at: Run, server: Server) -> None:
    waiting = Reply(200, {"items": [{**SUMMARY, "id": number} for number in (1, 2, 3)]})
    script = [
        waiting,
        Reply(200, LETTER),
        problem(409, "still_fails", "2: KeyError('status')"),
        Reply(200, LETTER),
    ]
    server.acts(*script)
    done = at("replay", "orders", "--all")
    assert done.returncode == 1
    assert one_line(done.stderr) == "2: KeyError('status')"
    assert done.stdout == "orders has processed 2 of 3 dead letters.\n"
    server.acts(*script)
    assert json.loads(at("replay", "orders", "--all", "--json").stdout)["items"] == [
        {"id": 1, "processed": True},
        {"id": 2, "processed": False, "error": "2: KeyError('status')"},
        {"id": 3, "processed": True},
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["nobody"],
        ["show", "payments", "1"],
        ["show", "orders", "0"],
        ["replay", "orders"],
        ["replay", "orders", "1", "--all"],
    ],
    ids=str,
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    done = run("bus", "dead-letters", *words, "--url", NOWHERE)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


# --- the whole path


def execute(url: str, statement: str, *values: object) -> list[Any]:
    async def work() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    return asyncio.run(work())


def test_a_dead_letter_is_seen_and_replayed_once_its_cause_is_mended(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    url, identities = database_url("orders"), Identities(tmp_path)
    others = dict.fromkeys(("users_url", "inventory_url", "payments_url"), NOWHERE)
    execute(url, CAUSE)
    (inserted,) = execute(
        url,
        "INSERT INTO dead_letters (consumer, event, error, attempts)"
        " VALUES ('orders', $1, $2, 1) RETURNING id",
        json.dumps(EVENT),
        "CheckViolationError('cause')",
    )
    number = str(inserted["id"])
    with running("orders", identities, database_url=url, **others) as service:
        token = identities.person("operator", subject="olga")

        def at(*words: str) -> Any:
            return run("bus", "dead-letters", *words, VALERIX_URL=service.url, VALERIX_TOKEN=token)

        listed = at()
        assert "CheckViolationError('cause')" in listed.stdout
        unreachable = [line.split()[0] for line in listed.stderr.splitlines()]
        assert unreachable == ["inventory", "notifications", "users"]
        shown = at("show", "orders", number)
        assert "CheckViolationError('cause')" in shown.stdout
        assert json.loads(at("show", "orders", number, "--json").stdout)["event"] == EVENT

        failed = at("replay", "orders", number)
        assert failed.returncode == 1
        assert one_line(failed.stderr).startswith(
            f"orders still cannot process dead letter {number}, nothing was"
        )
        assert "CheckViolationError" in failed.stderr
        assert (
            at("replay", "orders", "--all").stdout == "orders has processed 0 of 1 dead letters.\n"
        )
        assert json.loads(at("orders", "--json").stdout)["items"][0]["replayedAt"] is None

        execute(url, "ALTER TABLE customers_seen DROP CONSTRAINT cause")
        assert (
            at("replay", "orders", number).stdout == f"orders has processed dead letter {number}.\n"
        )
        seen = execute(url, "SELECT * FROM customers_seen")
        assert [(row["customer_id"], row["standing"]) for row in seen] == [
            ("CUST-001", "suspended")
        ]
        assert at("replay", "orders", number).stdout.endswith(
            "has processed it already, so nothing was changed now.\n"
        )
        assert execute(url, "SELECT * FROM customers_seen") == seen
        assert at("orders").stdout == "There are no dead letters.\n"
        assert len(json.loads(at("orders", "--all", "--json").stdout)["items"]) == 1

        missing = at("show", "orders", "999")
        assert one_line(missing.stderr).startswith(
            "orders has no dead letter 999. See `./valerix bus dead-letters --url"
        )
