"""`order` and `stock` against a scripted server: output, streams and exit status."""

import json
from pathlib import Path

import pytest

from tests.cli.samples import EVENTS, ID, MOVEMENT, STOCK, Run, one_line
from tests.client.server import AT, DROP, ORDER, Reply, Server, problem
from tests.support.commands import run
from tests.support.workers import free_port
from valerix import __version__

PLACE = ("order", "place", "--customer", "CUST-001")


# --- orders


def test_a_placed_order_is_shown_with_what_to_do_next(at: Run, server: Server) -> None:
    server.acts(Reply(201, ORDER))
    done = at(*PLACE, "PROD-001:2", "PROD-002", "PROD-001", "--key", "k")
    assert (done.returncode, done.stderr) == (0, "")
    for shown in ("confirmed", "Dell XPS 15", "2,598.00 USD", ORDER["paymentId"]):
        assert shown in done.stdout
    assert done.stdout.splitlines()[-1] == f"Next: ./valerix order show {ID} --url {server.url}"
    sent = server.received[0]
    assert sent.body["items"] == [
        {"productId": "PROD-001", "quantity": 3},
        {"productId": "PROD-002", "quantity": 1},
    ]
    assert sent.headers["idempotency-key"] == "k"
    assert sent.headers["authorization"] == "Bearer mine"


def test_a_pending_order_is_no_failure(at: Run, server: Server) -> None:
    server.acts(
        Reply(202, {**ORDER, "status": "pending", "errorMessage": "Payment is being processed"})
    )
    done = at(*PLACE, "PROD-001")
    assert done.returncode == 0
    assert "Payment is being processed" in done.stdout
    assert "cannot get lost" in done.stdout


@pytest.mark.parametrize(
    ("on_shortage", "expected"),
    [("hold", "is held: `./valerix order retry"), ("backorder", "waits for")],
)
def test_an_order_that_is_held_is_accepted(
    at: Run, server: Server, on_shortage: str, expected: str
) -> None:
    held = {
        **ORDER,
        "status": "pending",
        "errorCode": "insufficient_stock",
        "errorMessage": "Insufficient stock",
    }
    held["onShortage"] = on_shortage
    server.acts(problem(409, "insufficient_stock", "Insufficient stock", order=held))
    done = at(*PLACE, "PROD-001")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Insufficient stock" in done.stdout
    assert f"Order {ID} {expected}" in done.stdout.splitlines()[-1]
    document = json.loads(at(*PLACE, "PROD-001", "--json").stdout)
    assert (document["id"], document["errorCode"]) == (ID, "insufficient_stock")


def test_an_order_that_ended_for_want_of_stock_is_refused(at: Run, server: Server) -> None:
    ended = {**ORDER, "status": "failed", "errorCode": "insufficient_stock"}
    server.acts(problem(409, "insufficient_stock", "Insufficient stock", order=ended))
    done = at(*PLACE, "PROD-001", "--on-shortage", "reject")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith(f"Insufficient stock. Order {ID} is failed")


def test_json_is_one_document(at: Run, server: Server) -> None:
    server.acts(Reply(200, ORDER, {"Idempotent-Replayed": "true"}))
    done = at(*PLACE, "PROD-001", "--json")
    absent = dict.fromkeys(("productId", "quantity", "refunded", "heldUntil"))
    assert json.loads(done.stdout) == {**ORDER, **absent, "replayed": True}


@pytest.mark.parametrize("item", [":2", "PROD-001:", "PROD-001:two", "PROD-001:-1"])
def test_an_item_that_cannot_be_understood_is_wrong_usage(
    at: Run, server: Server, item: str
) -> None:
    server.acts(Reply(201, ORDER))
    done = at(*PLACE, item)
    assert done.returncode == 2
    assert "PROD-001:2" in done.stderr
    assert server.received == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            problem(
                402,
                "payment_declined",
                "The payment was declined",
                order={**ORDER, "status": "failed"},
            ),
            f"The payment was declined. Order {ID} is failed, see `./valerix order show {ID} --url",
        ),
        (
            problem(
                400,
                "invalid",
                errors=[{"pointer": "/items/0/quantity", "message": "Expected `int` <= 100"}],
            ),
            "The request is not valid. /items/0/quantity: Expected `int` <= 100",
        ),
        (
            problem(401, "unauthenticated"),
            "The access token is missing, wrong or has expired. Use --url with a valid",
        ),
        (
            problem(403, "forbidden", "Not yours"),
            "Not yours. Use the token of an account with this permission",
        ),
        (problem(422, "idempotency_key_reused", "This key was used"), "This key was used"),
        (
            problem(500, "internal", "Something went wrong"),
            "Something went wrong. Search the logs for trace 0af7",
        ),
        (
            problem(503, "unavailable", "Overloaded", retry_after=60),
            "Overloaded. Repeat the command with --key k: it cannot take effect twice",
        ),
    ],
    ids=str,
)
def test_a_refusal_is_one_line_on_stderr_and_a_document_for_programs(
    at: Run, server: Server, answer: Reply, expected: str
) -> None:
    server.acts(answer)
    done = at(*PLACE, "PROD-001", "--key", "k", "--json")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith(expected)
    failure = json.loads(done.stdout)["error"]
    assert (failure["status"], failure["code"]) == (answer.status, answer.body["code"])
    assert failure["idempotencyKey"] == "k"
    assert failure.get("order", {}).get("id") == answer.body.get("order", {}).get("id")


def test_an_unknown_outcome_tells_how_to_find_out_safely(at: Run, server: Server) -> None:
    server.acts(DROP)
    done = at(*PLACE, "PROD-001")
    assert (done.returncode, done.stdout) == (1, "")
    key = server.received[0].headers["idempotency-key"]
    assert one_line(done.stderr).startswith("The outcome is unknown")
    assert f"--key {key}" in done.stderr


def test_an_order_is_shown_with_its_timeline(at: Run, server: Server) -> None:
    script = [Reply(200, ORDER), Reply(200, {"orderId": ID, "events": EVENTS})]
    server.acts(*script)
    shown = at("order", "show", ID).stdout
    for text in (
        "order.created",
        "charge (attempt 2)",
        "captured",
        "123.4",
        "0.250 s",
        "trace 0af7",
    ):
        assert text in shown
    server.acts(*script)
    document = json.loads(at("order", "show", ID, "--json").stdout)
    assert (document["id"], document["events"][1]["steps"][0]["durationMs"]) == (ID, 123.4)


def test_a_held_order_says_until_when_and_a_cancelled_one_that_nothing_was_undone(
    at: Run, server: Server
) -> None:
    held = {**ORDER, "status": "pending", "errorCode": "insufficient_stock", "heldUntil": AT}
    waiting = {
        **EVENTS[0],
        "type": "order.held",
        "errorMessage": "Insufficient stock",
        "heldUntil": AT,
    }
    over = {
        **EVENTS[0],
        "type": "order.cancelled",
        "errorMessage": "Too late",
        "nothingToUndo": True,
    }
    server.acts(Reply(200, held), Reply(200, {"orderId": ID, "events": [waiting, over]}))
    shown = at("order", "show", ID, TZ="UTC").stdout
    assert "held      until 2026-01-02 03:04:05, then it is cancelled" in shown
    assert "Insufficient stock; until 2026-01-02 03:04:05" in shown
    assert "Too late; there was nothing to undo" in shown
    server.acts(problem(409, "insufficient_stock", "Insufficient stock", order=held))
    last_line = at(*PLACE, "PROD-001", TZ="UTC").stdout.splitlines()[-1]
    assert last_line.startswith(
        f"Order {ID} is held until 2026-01-02 03:04: `./valerix order retry"
    )


def test_a_long_timeline_is_shown_with_all_its_pages(at: Run, server: Server) -> None:
    first = {"orderId": ID, "events": EVENTS[:1], "nextCursor": "more"}
    server.acts(
        Reply(200, ORDER), Reply(200, first), Reply(200, {"orderId": ID, "events": EVENTS[1:]})
    )
    shown = at("order", "show", ID).stdout
    assert "order.created" in shown
    assert "captured" in shown
    assert server.received[-1].path.endswith("/events?limit=100&cursor=more")


def test_a_list_ends_at_its_limit_and_says_so(at: Run, server: Server) -> None:
    page = Reply(200, {"items": [ORDER] * 3, "nextCursor": None})
    server.acts(page)
    done = at(
        "order",
        "list",
        "--limit",
        "2",
        "--status",
        "confirmed",
        "--customer",
        "CUST-001",
        "--product",
        "PROD-001",
    )
    assert done.stdout.count(ID) == 2
    assert "more than these 2" in done.stdout
    assert server.received[0].path.endswith(
        "&status=confirmed&customerId=CUST-001&productId=PROD-001"
    )
    assert at("order", "list", "--all").stdout.count(ID) == 3
    assert len(json.loads(at("order", "list", "--limit", "2", "--json").stdout)["items"]) == 2


def test_cancelling_tells_what_became_of_it(at: Run, server: Server) -> None:
    server.acts(Reply(200, {**ORDER, "status": "cancelled"}))
    assert at("order", "cancel", ID, "--reason", "too late").stdout == f"Order {ID} is cancelled.\n"
    assert server.received[0].path.endswith("?reason=too+late")
    server.acts(Reply(202, ORDER))
    assert "will be cancelled as soon as" in at("order", "cancel", ID).stdout


def test_retrying_shows_the_order(at: Run, server: Server) -> None:
    server.acts(Reply(200, ORDER))
    assert "confirmed" in at("order", "retry", ID).stdout
    assert server.received[0].path == f"/api/v1/orders/{ID}/retry"


def test_placing_can_wait_until_the_order_is_completed(at: Run, server: Server) -> None:
    server.acts(
        Reply(201, ORDER),
        Reply(200, {**ORDER, "status": "shipped"}),
        Reply(200, {**ORDER, "status": "completed"}),
    )
    done = at(*PLACE, "PROD-001", "--wait", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "completed")


@pytest.mark.parametrize("status", ["cancelled", "confirmed"])
def test_waiting_in_vain_is_a_failure(at: Run, server: Server, status: str) -> None:
    server.acts(Reply(201, ORDER), Reply(200, {**ORDER, "status": status}))
    done = at(*PLACE, "PROD-001", "--wait", "--timeout", "0.2", "--json")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith(
        f"The order is {status}, not completed. See `./valerix order show {ID}"
    )
    assert json.loads(done.stdout)["error"]["order"]["status"] == status


def test_changing_sends_only_what_changes(at: Run, server: Server) -> None:
    server.acts(Reply(200, ORDER))
    address = {"name": "Ada", "street": "1 Main St", "city": "London", "country": "GB"}
    at("order", "change", ID, "PROD-001:2", "--address", json.dumps(address), "--version", "3")
    assert server.received[0].method == "PUT"
    assert server.received[0].headers["if-match"] == '"3"'
    items = [{"productId": "PROD-001", "quantity": 2}]
    assert server.received[0].body == {"items": items, "shippingAddress": address}
    at("order", "change", ID, "--status", "shipped")
    assert server.received[1].body == {"status": "shipped"}
    assert "if-match" not in server.received[1].headers


# --- stock


def test_stock_is_a_table_and_names_are_taken_literally(at: Run, server: Server) -> None:
    server.acts(Reply(200, {"items": [STOCK]}))
    (row,) = [line for line in at("stock", "--low").stdout.splitlines() if "PROD-001" in line]
    assert row.replace("│", " ").split() == [
        "PROD-001",
        "Dell",
        "[red]XPS[/red]",
        "15",
        "5",
        "2",
        "3",
        "10",
        "low",
    ]
    assert server.received[0].path.endswith("&lowStock=true")
    assert json.loads(at("stock", "--json").stdout) == {"items": [STOCK]}


def test_one_product_is_shown_by_warehouse_with_its_movements(at: Run, server: Server) -> None:
    script = [Reply(200, STOCK), Reply(200, {"items": [MOVEMENT] * 11, "nextCursor": "more"})]
    server.acts(*script)
    shown = at("stock", "PROD-001").stdout
    assert "WH-EAST" in shown
    assert shown.count("+2 = 2") == 10
    server.acts(*script)
    assert len(json.loads(at("stock", "show", "PROD-001", "--json").stdout)["movements"]) == 10


def test_stock_is_adjusted_by_a_negative_number_too(at: Run, server: Server) -> None:
    adjusted = {
        "productId": "P",
        "warehouseId": "W",
        "onHand": 4,
        "reserved": 1,
        "available": 3,
        "seq": 3,
    }
    server.acts(Reply(200, adjusted))
    done = at(
        "stock", "adjust", "P", "--warehouse", "W", "--by", "-2", "--reason", "broken", "--key", "k"
    )
    assert done.stdout == "P in W: 4 on hand, 1 reserved, 3 available\n"
    assert server.received[0].body["delta"] == -2
    assert server.received[0].body["idempotencyKey"] == "k"


def test_what_is_not_there_says_where_to_look(at: Run, server: Server) -> None:
    server.acts(problem(404, "product_not_found", "There is no product NOPE"))
    done = at("stock", "NOPE")
    assert done.returncode == 1
    assert one_line(done.stderr).startswith("There is no product NOPE. See `./valerix stock --url ")


# --- the program


def test_it_says_its_version_and_what_its_exit_status_means() -> None:
    assert run("--version").stdout == f"valerix {__version__}\n"
    shown = " ".join(run("--help").stdout.split())
    assert (
        "0 done or accepted (also an order that is held);"
        " 1 refused, failed or outcome unknown; 2 wrong usage"
    ) in shown


def test_a_shell_completes_its_commands() -> None:
    line = {
        "COMP_WORDS": "valerix order c",
        "COMP_CWORD": "2",
        "_VALERIX_COMPLETE": "complete_bash",
    }
    assert run(**line).stdout.split() == ["cancel", "change"]


# --- the choice of the installation


def test_without_a_stack_the_way_to_start_one_is_told(tmp_path: Path) -> None:
    done = run("stock", "--data-dir", str(tmp_path / "my data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert one_line(done.stderr).endswith(
        f"start it with `./valerix up --data-dir '{tmp_path}/my data'`"
    )


def test_an_address_where_nobody_listens_is_told() -> None:
    done = run("order", "show", ID, "--url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "Connection refused" in one_line(done.stderr)


def test_the_stack_named_on_the_command_line_outweighs_the_environment(
    server: Server, tmp_path: Path
) -> None:
    server.acts(Reply(200, {"items": []}))
    done = run("stock", "--data-dir", str(tmp_path), VALERIX_URL=server.url)
    assert "No stack is running" in done.stderr
    assert server.received == []


@pytest.mark.parametrize(
    "words",
    [
        ["stock", "--url", "127.0.0.1:8080"],
        ["stock", "--url", "http://127.0.0.1:1", "--data-dir", "x"],
        ["stock", "PROD-001", "--low"],
        ["order", "place", "PROD-001"],
        ["order", "place", "--customer", "CUST-001", "PROD-001", "--key", "two\nlines"],
        ["order", "place", "--customer", "CUST-001", "PROD-001", "--on-shortage", "pray"],
        ["order", "list", "--limit", "0"],
        ["order", "change", "some-id"],
        ["order", "change", "some-id", "--address", "{}"],
        ["order", "change", "some-id", "--status", "lost"],
        ["load", "--rate", "1", "--concurrency", "1"],
        ["load", "--payment", "cash=1"],
        ["load", "--payment", "card_ok=0.6", "--payment", "visa=0.6"],
        ["order"],
    ],
    ids=str,
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
