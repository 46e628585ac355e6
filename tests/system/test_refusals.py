"""Every refusal of "place", and that each writes only the data that its answer shows."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.api import Answer, Api, problem
from tests.support.stack import ADA, GRACE, OPERATOR, Stack, new_product, place

GOOD: dict[str, Any] = {"customerId": "CUST-001", "productId": "PROD-001", "quantity": 2}
BAD: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, {"/customerId", "/productId", "/quantity"}),
    "missing customer": ({"productId": "PROD-001", "quantity": 2}, {"/customerId"}),
    "missing product": ({"customerId": "CUST-001", "quantity": 2}, {"/productId"}),
    "oversized customer": ({**GOOD, "customerId": "x" * 51}, {"/customerId"}),
    "oversized product": ({**GOOD, "productId": "x" * 51}, {"/productId"}),
    "wrong types": ({**GOOD, "customerId": 1, "productId": []}, {"/customerId", "/productId"}),
    "quantity 0": ({**GOOD, "quantity": 0}, {"/quantity"}),
    "quantity 101": ({**GOOD, "quantity": 101}, {"/quantity"}),
    "quantity as text": ({**GOOD, "quantity": "2"}, {"/quantity"}),
    "bad second line": (
        {
            "customerId": "CUST-001",
            "items": [{"productId": "A", "quantity": 1}, {"productId": "B", "quantity": 0}],
        },
        {"/items/1/quantity"},
    ),
    "101 lines": (
        {"customerId": "CUST-001", "items": [{"productId": "A", "quantity": 1}] * 101},
        {"/items"},
    ),
    "both forms": (
        {**GOOD, "items": [{"productId": "A", "quantity": 1}]},
        {"/productId", "/quantity"},
    ),
    "unknown field": ({**GOOD, "quantitiy": 2}, {"/quantitiy"}),
    "unknown payment method": ({**GOOD, "paymentMethod": "gold"}, {"/paymentMethod"}),
    "unknown shortage wish": ({**GOOD, "onShortage": "wait"}, {"/onShortage"}),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_body_is_refused_with_a_pointer_for_each_fault_and_writes_nothing(
    stack: Stack, case: str
) -> None:
    body, pointers = BAD[case]
    before = await stack.counts()
    async with stack.api(ADA) as ada:
        document = problem(await ada.post("/api/v1/orders", body), 400, "invalid")
    assert {error["pointer"] for error in document["errors"]} == pointers
    assert await stack.counts() == before


async def test_the_methods_of_a_path_are_told_through_the_gateway(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        order = (await place(ada, {"PROD-007": 1})).json
        path, allow = f"/api/v1/orders/{order['id']}", "DELETE, GET, HEAD, OPTIONS, PUT"
        asked = await ada.call("OPTIONS", path)
        assert (asked.status, asked.headers["allow"]) == (204, allow)
        refused = await ada.call("PATCH", path, {})
        problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == allow
        read, head = await ada.get(path), await ada.call("HEAD", path)
        tag = read.headers["etag"].removeprefix(
            "W/"
        )  # a gateway that compresses marks the tag as weak
        assert (head.status, head.body, head.headers["etag"]) == (200, b"", tag)
        known = await ada.call("GET", path, if_none_match=read.headers["etag"])
        assert (known.status, known.body) == (304, b"")


async def test_what_never_becomes_an_order_writes_nothing(stack: Stack) -> None:
    before = await stack.counts()
    good = json.dumps(GOOD).encode()
    async with stack.api(ADA) as ada, stack.api(None) as guest, stack.api(GRACE) as grace:
        for malformed in (
            b"",
            b"{",
            b"[1,",
            b'{"customerId": "CUST-001",}',
            b"\xff\xfe",
            b"null",
            b"[]",
        ):
            problem(await ada.post("/api/v1/orders", malformed), 400, "invalid")
        problem(await ada.post("/api/v1/orders", b'"' + b"x" * 70_000 + b'"'), 413, "too_large")
        plain = await ada.call("POST", "/api/v1/orders", good, Content_Type="text/plain")
        problem(plain, 415, "unsupported_media_type")
        problem(await ada.post("/api/v1/orders", good, Idempotency_Key="x" * 256), 400, "invalid")
        problem(await guest.post("/api/v1/orders", good), 401, "unauthenticated")
        problem(
            await guest.post("/api/v1/orders", good, token="not.a.token"), 401, "unauthenticated"
        )
        problem(await grace.post("/api/v1/orders", good), 403, "not_your_customer")
        problem(await ada.call("PATCH", "/api/v1/orders", good), 405, "method_not_allowed")
    assert await stack.counts() == before


async def test_reused_keys_write_nothing(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        assert (await place(ada, {"PROD-007": 1}, key="reused-1")).status == 201
        before = await stack.counts()
        problem(await place(ada, {"PROD-007": 2}, key="reused-1"), 422, "idempotency_key_reused")
        differing = await place(ada, {"PROD-007": 1}, key="reused-1", idempotencyKey="another")
        problem(differing, 400, "invalid")
    assert await stack.counts() == before


async def _failed_order(
    stack: Stack, answer: Answer, status: int, code: str, *, charged: bool
) -> None:
    """Asserts that the answer carries the order, and that only the order and its history remain: no
    stock, no money.
    """
    order = problem(answer, status, code)["order"]
    assert (order["status"], order["errorCode"], order["inventoryUpdated"]) == (
        "failed",
        code,
        False,
    )
    live = await stack.rows(
        "inventory",
        "SELECT 1 FROM reservations WHERE order_id::text = $1 AND state <> 'released'",
        order["id"],
    )
    assert not live
    payments = await stack.rows(
        "payments", "SELECT status FROM payments WHERE order_id::text = $1", order["id"]
    )
    assert [row["status"] for row in payments] == (["declined"] if charged else [])


async def test_unknown_products_and_customers_fail_the_order(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        unknown = await place(operator, {"PROD-001": 1, "NO-SUCH": 1})
        await _failed_order(stack, unknown, 422, "unknown_product", charged=False)
        assert "NO-SUCH" in unknown.json["detail"]
        unknown = await place(operator, {"PROD-001": 1}, customer="CUST-999")
        await _failed_order(stack, unknown, 422, "unknown_customer", charged=False)
        suspended = await place(operator, {"PROD-001": 1}, customer="CUST-010")
        await _failed_order(stack, suspended, 422, "customer_suspended", charged=False)


@pytest.mark.parametrize("method", ["card_declined", "card_insufficient_funds", "card_expired"])
async def test_a_declined_payment_gives_the_stock_back(stack: Stack, method: str) -> None:
    before = await stack.stock("PROD-003")
    async with stack.api(ADA) as ada:
        answer = await place(ada, {"PROD-003": 1}, paymentMethod=method)
    await _failed_order(stack, answer, 402, "payment_declined", charged=True)
    assert await stack.stock("PROD-003") == before


async def test_one_unit_is_ordered_by_number_or_name_for_what_it_is_expected_to_cost(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "NAMED-1", 5, price=1250)
        for product in ("NAMED-1", "Test NAMED-1"):
            body = {"customerId": "CUST-001", "product": product, "amount": 12.5}
            answer = await ada.post("/api/v1/orders", body, Idempotency_Key=product)
            assert (answer.status, answer.json["productId"], answer.json["quantity"]) == (
                201,
                "NAMED-1",
                1,
            )
            assert (
                await ada.post("/api/v1/orders", body, Idempotency_Key=product)
            ).body == answer.body
        seed = {"customerId": "CUST-001", "product": "NAMED-1"}
        problem(await ada.post("/api/v1/orders", seed | {"amount": 12}), 409, "total_differs")
        problem(await ada.post("/api/v1/orders", seed | {"amount": 12.501}), 400, "invalid")
        problem(
            await ada.post("/api/v1/orders", seed | {"product": "named-1"}), 422, "unknown_product"
        )
        assert (await ada.post("/api/v1/orders", seed)).status == 201
    assert await stack.stock("NAMED-1") == (5, 3)


async def test_an_edit_to_what_is_not_sold_changes_nothing(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "EDIT-1", 1)
        path = f"/api/v1/orders/{(await place(ada, {'EDIT-1': 2})).json['order']['id']}"
        before = (await ada.get(path)).json
        unknown = {
            "items": [
                {"productId": "EDIT-1", "quantity": 1},
                {"productId": "NO-SUCH", "quantity": 1},
            ]
        }
        assert (
            "NO-SUCH"
            in problem(await ada.call("PUT", path, unknown), 422, "unknown_product")["detail"]
        )
        other = {"quantity": 1, "expectedTotal": {"amountMinor": 1, "currency": "USD"}}
        problem(await ada.call("PUT", path, other), 409, "total_differs")
        problem(
            await ada.call("PUT", path, {"expectedTotal": other["expectedTotal"]}), 400, "invalid"
        )
        assert (await ada.get(path)).json == before
        assert (await ada.call("DELETE", path)).json["status"] == "cancelled"


async def test_cancelling_gives_stock_and_money_back_once(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "CANCEL-1", 10)
        order = (await place(ada, {"CANCEL-1": 4})).json
        path = f"/api/v1/orders/{order['id']}"
        answers = await asyncio.gather(*(ada.call("DELETE", path) for _ in range(8)))
        assert {answer.status for answer in answers} <= {200, 202, 409}
        assert (await ada.call("DELETE", path)).json["status"] == "cancelled"
        declined = await place(ada, {"CANCEL-1": 1}, paymentMethod="card_declined")
        failed = await ada.call("DELETE", f"/api/v1/orders/{declined.json['order']['id']}")
        problem(failed, 409, "not_cancellable")
    assert await stack.stock("CANCEL-1") == (10, 0)


async def test_another_customers_order_is_not_there(stack: Stack) -> None:
    async with stack.api(ADA) as ada, stack.api(GRACE) as grace, stack.api(OPERATOR) as operator:
        order = (await place(ada, {"PROD-008": 1})).json
        path = f"/api/v1/orders/{order['id']}"
        before = await stack.counts()
        for answer in (
            await grace.get(path),
            await grace.get(path + "/events"),
            await grace.post(path + "/retry", None),
            await grace.call("PUT", path, {"quantity": 1}),
            await grace.call("DELETE", path),
            await grace.get("/api/v1/orders/01900000-0000-7000-8000-000000000000"),
            await grace.get("/api/v1/orders/nonsense"),
        ):
            problem(answer, 404, "order_not_found")
        assert (await grace.get(f"/api/v1/payments/order/{order['id']}")).status == 404
        assert order["id"] not in [
            one["id"] for one in (await grace.get("/api/v1/orders?limit=200")).json["items"]
        ]
        assert (await grace.get("/api/v1/orders?customerId=CUST-001")).json["items"] == []
        assert (await operator.get(path)).status == 200
    assert await stack.counts() == before


async def test_customers_cannot_do_what_is_the_staffs(stack: Stack) -> None:
    before = await stack.counts()
    async with stack.api(ADA) as ada:
        calls: list[tuple[str, str, Any]] = [
            (
                "POST",
                "/api/v1/inventory/adjust",
                {"productId": "PROD-001", "warehouseId": "WH-EAST", "delta": 1, "reason": "x"},
            ),
            ("POST", "/api/v1/inventory/reserve", {}),
            ("POST", "/api/v1/products", {}),
            ("DELETE", "/api/v1/products/PROD-001", None),
            ("POST", "/api/v1/payments", {}),
            ("GET", "/api/v1/users", None),
        ]
        for method, path, body in calls:
            problem(await ada.call(method, path, body), 403, "forbidden")
    assert await stack.counts() == before


async def test_what_is_internal_is_not_routed(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        for path in (
            "/metrics",
            "/internal/v1/stock/reserve",
            "/api/v1/internal",
            "/ready",
            "/health/deep",
            "/schema",
        ):
            for method in ("GET", "POST"):
                assert (await operator.call(method, path)).status == 404, path


async def test_lists_filter_and_page(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, "PAGE-1", 100)
        placed = [
            (await place(operator, {"PAGE-1": 1}, customer="CUST-005")).json["id"] for _ in range(5)
        ]

        async def ids(query: str, api: Api = operator) -> list[str]:
            answer = await api.get(f"/api/v1/orders?{query}")
            assert answer.status == 200, answer.body
            return [order["id"] for order in answer.json["items"]]

        assert await ids("productId=PAGE-1") == placed[::-1]
        assert await ids("productId=PAGE-1&sort=createdAt") == placed
        assert await ids("customerId=CUST-005&status=confirmed&q=PAGE-1") == placed[::-1]
        assert await ids(f"q={placed[2]}") == [placed[2]]
        assert await ids("productId=PAGE-1&from=2099-01-01T00:00:00Z") == []
        assert await ids("productId=PAGE-1&to=2099-01-01T00:00:00Z") == placed[::-1]
        page = (await operator.get("/api/v1/orders?productId=PAGE-1&limit=2")).json
        seen = [order["id"] for order in page["items"]]
        while page["nextCursor"]:
            page = (
                await operator.get(
                    f"/api/v1/orders?productId=PAGE-1&limit=2&cursor={page['nextCursor']}"
                )
            ).json
            seen += [order["id"] for order in page["items"]]
        assert seen == placed[::-1]
        for bad in (
            "limit=0",
            "limit=201",
            "status=gone",
            "sort=price",
            "cursor=%21",
            "from=yesterday",
        ):
            problem(await operator.get(f"/api/v1/orders?{bad}"), 400, "invalid")


async def test_an_order_by_name_is_repeated_after_its_product_was_taken_out_of_sale(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "GONE-1", 5)
        body = {"customerId": "CUST-001", "product": "GONE-1"}
        first = await ada.post("/api/v1/orders", body, Idempotency_Key="gone-1")
        assert first.status == 201, first.body
        assert (await operator.call("DELETE", "/api/v1/products/GONE-1")).status == 204
        repeated = await ada.post("/api/v1/orders", body, Idempotency_Key="gone-1")
        assert (repeated.status, repeated.body) == (200, first.body)
        other = await ada.post(
            "/api/v1/orders", body | {"onShortage": "reject"}, Idempotency_Key="gone-1"
        )
        problem(other, 422, "idempotency_key_reused")
        problem(
            await ada.post("/api/v1/orders", body, Idempotency_Key="gone-2"), 422, "unknown_product"
        )
