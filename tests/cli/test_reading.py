"""Commands at a terminal: short forms of order ids, tables that fit, lists that are watched."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cli.samples import EVENTS, ID, MOVEMENT, STOCK, Run, one_line
from tests.client.server import ORDER, Reply, Server
from tests.support.commands import run_on_terminal

SOURCE = Path(__file__).parents[2] / "src"


def page(*orders: dict[str, object]) -> Reply:
    return Reply(200, {"items": orders, "nextCursor": None})


OTHER = {**ORDER, "id": ID.replace("01890000", "01890001")}


@pytest.mark.parametrize("text", ["000000000001", "…000000000001", "01890000", "0001"])
def test_an_order_is_named_by_a_part_of_its_id(at: Run, server: Server, text: str) -> None:
    # Found by the name of its customer or a product.
    others = {**ORDER, "id": "01890001-0000-7000-8000-00000000f000"}
    server.acts(
        page(others, ORDER), Reply(200, ORDER), Reply(200, {"orderId": ID, "events": EVENTS})
    )
    assert "charge (attempt 2)" in at("order", "show", text).stdout
    assert [request.path for request in server.received] == [
        f"/api/v1/orders?{urlencode({'limit': 100, 'q': text})}",
        f"/api/v1/orders/{ID}",
        f"/api/v1/orders/{ID}/events?limit=100",
    ]


def test_orders_that_share_a_short_form_are_listed(at: Run, server: Server) -> None:
    server.acts(page(ORDER, OTHER))
    done = at("order", "show", "0001", "--json")
    assert done.returncode == 1
    heading, *listed = done.stderr.splitlines()
    assert heading == "0001 matches 2 orders; give more digits of one of them:"
    assert [line.split()[0] for line in listed] == [ID, OTHER["id"]]
    assert json.loads(done.stdout)["error"]["orderIds"] == [ID, OTHER["id"]]


def test_a_short_form_that_none_has_is_told(at: Run, server: Server) -> None:
    server.acts(page({**ORDER, "id": "01890001-0000-7000-8000-00000000f000"}))
    done = at("order", "show", "abcd")
    assert done.returncode == 1
    assert one_line(done.stderr) == "There is no order whose id is abcd, or begins or ends with it"


CHANGES = [["cancel"], ["retry"], ["change", "--status", "shipped"]]


@pytest.mark.parametrize("words", CHANGES, ids=str)
def test_a_change_takes_the_whole_id_where_no_reader_can_be_asked(
    at: Run, server: Server, words: list[str]
) -> None:
    server.acts(page(ORDER), Reply(200, ORDER))
    done = at("order", *words, "0001")
    assert done.returncode == 2
    assert ID in done.stderr.replace("\n", "")
    assert [request.method for request in server.received] == ["GET"]


@pytest.mark.parametrize(
    ("typed", "sent", "status"), [("y\n", ["GET", "DELETE"], 0), ("n\n", ["GET"], 1)]
)
def test_a_reader_is_asked_before_an_order_with_a_short_form_is_changed(
    server: Server, typed: str, sent: list[str], status: int
) -> None:
    server.acts(page(ORDER), Reply(200, {**ORDER, "status": "cancelled"}))
    place = {"VALERIX_URL": server.url, "VALERIX_TOKEN": "mine"}
    returned, lines = run_on_terminal("order", "cancel", "0001", typed=typed, columns=160, **place)
    assert returned == status
    assert any(
        f"Cancel order {ID} (confirmed, CUST-001, 2,598.00 USD)? [y/N]" in line for line in lines
    )
    assert [request.method for request in server.received] == sent


def test_a_list_fits_a_terminal_and_is_whole_elsewhere(at: Run, server: Server) -> None:
    many = [{**ORDER["items"][0], "productId": f"PROD-{n:03}"} for n in range(40)]
    server.acts(page(ORDER, {**ORDER, "items": many}))
    _, lines = run_on_terminal("order", "list", VALERIX_URL=server.url, VALERIX_TOKEN="mine")
    assert max(map(len, lines)) <= 80
    rows = [line.rstrip() for line in lines if ID[-12:] in line]
    assert [row.split()[0] for row in rows] == [f"…{ID[-12:]}"] * 2
    assert rows[0].endswith("2x PROD-001")
    assert rows[1].endswith("…")
    rows = [line for line in at("order", "list").stdout.splitlines() if ID in line]
    assert len(rows) == 2
    assert "2x PROD-039" in rows[1]
    assert server.received[0].path == "/api/v1/orders?limit=100"


def test_a_list_is_searched(at: Run, server: Server) -> None:
    server.acts(page())
    assert at("order", "list", "--search", "ada lovelace").stdout == "There are no such orders.\n"
    assert server.received[0].path == "/api/v1/orders?limit=100&q=ada+lovelace"


def test_a_list_is_shown_again_until_the_reader_ends_it(server: Server) -> None:
    server.acts(page(ORDER), page({**ORDER, "status": "shipped"}))
    place = {"VALERIX_URL": server.url, "VALERIX_TOKEN": "mine", "PATH": os.environ["PATH"]}
    words = ["order", "list", "--watch", "--every", "0.1"]
    command = [sys.executable, "-m", "valerix.cli.main", *words]
    # Background processes ignore SIGINT.
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**place, "PYTHONPATH": str(SOURCE)},
        preexec_fn=heeds_ctrl_c,  # noqa: PLW1509 - one system call, no lock
    ) as watch:
        assert watch.stdout is not None
        shown = next(line for line in watch.stdout if "shipped" in line)
        assert ID in shown
        watch.send_signal(signal.SIGINT)
        watch.stdout.read()
    assert watch.returncode == 130


def test_stock_fits_a_terminal(server: Server) -> None:
    server.acts(Reply(200, {"items": [{**STOCK, "name": "A very long name " * 5}]}))
    _, lines = run_on_terminal("stock", VALERIX_URL=server.url, VALERIX_TOKEN="mine")
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in lines if "PROD-001" in line]
    assert "…" in row
    assert row.split()[-5:] == ["5", "2", "3", "10", "low"]


def test_movements_fit_a_terminal(server: Server) -> None:
    server.acts(
        Reply(200, STOCK), Reply(200, {"items": [{**MOVEMENT, "reason": "found behind the shelf"}]})
    )
    _, lines = run_on_terminal("stock", "PROD-001", VALERIX_URL=server.url, VALERIX_TOKEN="mine")
    assert max(map(len, lines)) <= 80
    assert any(f"…{ID[-12:]}"[:4] in line for line in lines)
