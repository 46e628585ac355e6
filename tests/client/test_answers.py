"""Answers are read as models, exceptions and pages."""

import itertools
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.client.conftest import Caller
from tests.client.server import ORDER, Reply, Server, problem
from valerix.client import Valerix, errors
from valerix.client.calls.pieces import query
from valerix.client.models import PlacedOrder
from valerix.contracts.money import Money


def get(valerix: Any) -> Any:
    return valerix.orders.get(ORDER["id"])


def place(valerix: Any) -> Any:
    return valerix.orders.place("CUST-001", {"PROD-001": 2, "PROD-002": 1}, payment_method="visa")


async def test_an_order_is_placed_and_read(caller: Caller, server: Server) -> None:
    server.acts(Reply(201, ORDER))
    order = await caller.run(place)
    assert isinstance(order, PlacedOrder)
    assert order.total == Money(259_800, "USD")
    assert order.items[0].product_name == "Dell XPS 15"
    assert not order.replayed
    assert server.received[0].path == "/api/v1/orders"
    assert server.received[0].body == {
        "customerId": "CUST-001",
        "items": [
            {"productId": "PROD-001", "quantity": 2},
            {"productId": "PROD-002", "quantity": 1},
        ],
        "paymentMethod": "visa",
    }


async def test_an_accepted_order_is_a_pending_one(caller: Caller, server: Server) -> None:
    server.acts(
        Reply(
            202,
            {**ORDER, "status": "pending", "total": None, "paymentId": None},
            {"Retry-After": "1"},
        )
    )
    order = await caller.run(place)
    assert (order.status, order.total) == ("pending", None)
    assert len(server.received) == 1


async def test_a_replay_says_so(caller: Caller, server: Server) -> None:
    server.acts(Reply(200, ORDER, {"Idempotent-Replayed": "true"}))
    assert (await caller.run(place)).replayed


async def test_fields_of_a_newer_server_are_skipped(caller: Caller, server: Server) -> None:
    server.acts(Reply(200, {**ORDER, "giftWrapped": True, "status": "gift_wrapping"}))
    assert (await caller.run(get)).status == "gift_wrapping"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(400, "invalid"), errors.Invalid),
        (problem(401, "unauthenticated"), errors.Unauthenticated),
        (problem(402, "payment_declined"), errors.PaymentDeclined),
        (problem(403, "forbidden"), errors.Forbidden),
        (problem(404, "order_not_found"), errors.NotFound),
        (problem(409, "not_cancellable"), errors.Conflict),
        (problem(409, "insufficient_stock"), errors.InsufficientStock),
        (problem(409, "version_conflict"), errors.VersionMismatch),
        (problem(412, "version_mismatch"), errors.VersionMismatch),
        (problem(422, "unknown_product"), errors.Unprocessable),
        (problem(418, "teapot"), errors.Refused),
        (problem(500, "internal"), errors.ServerFailed),
        (Reply(308, b"", {"Location": "http://127.0.0.1:1/"}), errors.Refused),
    ],
    ids=str,
)
async def test_each_refusal_has_its_exception(
    caller: Caller, server: Server, answer: Reply, kind: type[errors.Refused]
) -> None:
    server.acts(answer)
    with pytest.raises(errors.Refused) as caught:
        await caller.run(get)
    assert type(caught.value) is kind
    assert caught.value.status == answer.status
    assert len(server.received) == 1


async def test_a_refusal_carries_its_document(caller: Caller, server: Server) -> None:
    bad = [{"pointer": "/items/0/quantity", "message": "Expected `int` >= 1"}]
    server.acts(
        problem(409, "insufficient_stock", "PROD-001: 2 wanted, 1 left", order=ORDER, errors=bad)
    )
    with pytest.raises(errors.InsufficientStock, match="2 wanted, 1 left") as caught:
        await caller.run(place)
    error = caught.value
    assert (error.code, error.title, error.trace_id) == ("insufficient_stock", "No", "0af7")
    assert error.errors == [errors.FieldError("/items/0/quantity", "Expected `int` >= 1")]
    assert error.order is not None
    assert error.order.id == ORDER["id"]
    assert error.idempotency_key == server.received[0].headers["idempotency-key"]


async def test_an_answer_without_a_document_is_told_by_its_status(
    caller: Caller, server: Server
) -> None:
    server.acts(Reply(504, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(errors.ServerFailed, match="HTTP 504 Gateway Timeout"):
        await caller.run(get, retry_seconds=0)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"id": 7}'])
async def test_an_answer_that_is_no_order_is_told(
    caller: Caller, server: Server, body: bytes
) -> None:
    server.acts(Reply(200, body))
    with pytest.raises(errors.UnreadableAnswer, match="cannot be read as Order"):
        await caller.run(get)


async def test_lists_follow_the_cursor(caller: Caller, server: Server) -> None:
    server.acts(
        Reply(200, {"items": [ORDER, ORDER], "nextCursor": "c/1"}),
        Reply(200, {"items": [], "nextCursor": "c/2"}),
        Reply(200, {"items": [ORDER], "nextCursor": None}),
    )
    found = await caller.run(
        lambda v: v.orders.list(status="pending", search="a b", oldest_first=True)
    )
    assert len(found) == 3
    assert [request.path for request in server.received] == [
        "/api/v1/orders?limit=100&status=pending&q=a+b&sort=createdAt",
        "/api/v1/orders?limit=100&cursor=c%2F1&status=pending&q=a+b&sort=createdAt",
        "/api/v1/orders?limit=100&cursor=c%2F2&status=pending&q=a+b&sort=createdAt",
    ]


def test_pages_are_fetched_as_they_are_reached(server: Server) -> None:
    server.acts(Reply(200, {"items": [ORDER, ORDER], "nextCursor": "more"}))
    with Valerix(server.url) as valerix:
        assert len(list(itertools.islice(valerix.orders.list(), 2))) == 2
    assert len(server.received) == 1


async def test_names_cannot_leave_their_place_in_the_path(caller: Caller, server: Server) -> None:
    server.acts(problem(404, "product_not_found"))
    with pytest.raises(errors.NotFound):
        await caller.run(lambda v: v.products.get("../users?x#y/z"))
    assert server.received[0].path == "/api/v1/products/..%2Fusers%3Fx%23y%2Fz"


async def test_a_change_names_the_version_it_was_made_from(caller: Caller, server: Server) -> None:
    server.acts(Reply(200, ORDER))
    await caller.run(lambda v: v.orders.change(ORDER["id"], items={"PROD-001": 1}, version=2))
    assert server.received[0].headers["if-match"] == '"2"'
    assert server.received[0].body == {"items": [{"productId": "PROD-001", "quantity": 1}]}


# --- waiting


async def test_waiting_ends_with_the_wanted_status(caller: Caller, server: Server) -> None:
    pending = Reply(200, {**ORDER, "status": "pending"})
    server.acts(pending, pending, Reply(200, ORDER))
    order = await caller.run(lambda v: v.orders.wait_until(ORDER["id"], {"confirmed"}))
    assert order.status == "confirmed"
    assert len(server.received) == 3


@pytest.mark.parametrize("status", ["failed", "pending"])
async def test_waiting_in_vain_tells_where_the_order_stands(
    caller: Caller, server: Server, status: str
) -> None:
    server.acts(Reply(200, {**ORDER, "status": status}))
    with pytest.raises(errors.StatusNotReached, match=f"is {status}, not completed") as caught:
        await caller.run(
            lambda v: v.orders.wait_until(ORDER["id"], {"completed"}, timeout_seconds=0.2)
        )
    assert caught.value.order.status == status


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://h:0", "http://h:99999"]
)
def test_an_address_nothing_can_be_reached_by_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not an address|[Pp]ort"):
        Valerix(url)


def test_a_time_without_a_zone_is_sent_with_the_one_of_this_machine() -> None:
    local = datetime(2026, 1, 31, 12)  # noqa: DTZ001 - what is tested
    aware = datetime(2026, 1, 31, 12, tzinfo=UTC)
    (sent,) = parse_qs(query(since=local)[1:])["since"]
    assert datetime.fromisoformat(sent) == local.astimezone()
    assert query(since=aware) == "?since=2026-01-31T12%3A00%3A00%2B00%3A00"
