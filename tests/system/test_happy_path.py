"""An order up to its completion, as seen in every database and in the provider's ledger; and
repeated requests for it.
"""

import asyncio
from uuid import UUID

from tests.support.stack import ADA, OPERATOR, Stack, new_product, place


async def test_an_order_is_reserved_paid_and_confirmed_in_every_book(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "HAPPY-1", 100, price=129_900)
        answer = await place(ada, {"HAPPY-1": 2}, key="happy-1")
        assert answer.status == 201
        order = answer.json
        assert order["status"] == "confirmed"
        assert order["inventoryUpdated"] is True
        assert order["total"] == {"amountMinor": 259_800, "currency": "USD"}
        assert order["items"][0]["productName"] == "Test HAPPY-1"
        assert answer.headers["location"] == f"/api/v1/orders/{order['id']}"

        stock = (await ada.get("/api/v1/inventory/HAPPY-1")).json
        assert (stock["onHand"], stock["reserved"], stock["available"]) == (100, 2, 98)
        (row,) = await stack.rows("orders", "SELECT * FROM orders WHERE id = $1", UUID(order["id"]))
        assert (row["status"], row["version"]) == ("confirmed", 2)
        (reservation,) = await stack.rows(
            "inventory", "SELECT * FROM reservations WHERE order_id::text = $1", order["id"]
        )
        assert reservation["state"] == "reserved"
        (payment,) = await stack.rows(
            "payments", "SELECT * FROM payments WHERE order_id::text = $1", order["id"]
        )
        assert (payment["status"], payment["amount_minor"]) == ("captured", 259_800)
        charges = [c for c in (await stack.ledger())["charges"] if order["id"] in c["reference"]]
        assert [(c["status"], c["amountMinor"], c["captures"]) for c in charges] == [
            ("captured", 259_800, 1)
        ]

        assert (await ada.get(f"/api/v1/orders/{order['id']}")).json == order
        timeline = (await ada.get(f"/api/v1/orders/{order['id']}/events")).json["events"]
        assert [event["type"] for event in timeline] == ["order.created", "order.confirmed"]
        assert {step["name"] for step in timeline[1]["steps"]} >= {"reserve_stock", "charge"}
        paid = (await ada.get(f"/api/v1/payments/order/{order['id']}")).json
        assert paid["id"] == order["paymentId"]


async def test_the_same_key_again_gets_the_same_bytes_and_nothing_happens(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "REPLAY-1", 100)
        first = await place(ada, {"REPLAY-1": 2}, key="replay-1")
        before = await stack.counts()
        second = await place(ada, {"REPLAY-1": 2}, key='"replay-1"')
        in_body = await place(ada, {"REPLAY-1": 2}, idempotencyKey="replay-1")
    assert (first.status, second.status, in_body.status) == (201, 200, 200)
    assert first.body == second.body == in_body.body
    assert second.headers["idempotent-replayed"] == "true"
    assert await stack.counts() == before
    assert await stack.stock("REPLAY-1") == (100, 2)


async def test_a_key_belongs_to_one_body_and_one_caller(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "OWNER-1", 100)
        assert (await place(ada, {"OWNER-1": 2}, key="owner-1")).status == 201
        other_body = await place(ada, {"OWNER-1": 3}, key="owner-1")
        assert (other_body.status, other_body.json["code"]) == (422, "idempotency_key_reused")
        assert (await place(operator, {"OWNER-1": 3}, key="owner-1")).status == 201
    assert await stack.stock("OWNER-1") == (100, 5)


async def test_fifty_at_once_with_one_key_make_one_order(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "FIFTY-1", 100)
        for round_ in range(5):
            answers = await asyncio.gather(
                *(place(ada, {"FIFTY-1": 1}, key=f"fifty-{round_}") for _ in range(50))
            )
            assert {answer.status for answer in answers} <= {200, 201, 409}
            assert sum(answer.status == 201 for answer in answers) == 1
            assert {a.json["code"] for a in answers if a.status == 409} <= {
                "idempotency_key_in_flight"
            }
            assert len({answer.body for answer in answers if answer.status < 300}) == 1
            assert (await place(ada, {"FIFTY-1": 1}, key=f"fifty-{round_}")).status == 200
    assert await stack.stock("FIFTY-1") == (100, 5)


async def test_a_refusal_is_replayed_too(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        first = await place(ada, {"PROD-002": 1}, key="declined-1", paymentMethod="card_declined")
        second = await place(ada, {"PROD-002": 1}, key="declined-1", paymentMethod="card_declined")
    assert (first.status, second.status) == (402, 402)
    assert first.body == second.body


async def test_the_short_forms_of_the_gateway_reach_the_same_routes(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        one_line = {
            "customerId": "CUST-002",
            "productId": "PROD-007",
            "productName": "ignored",
            "quantity": 1,
        }
        for path in ("/orders", "/api/orders", "/api/v1/orders"):
            placed = await operator.post(path, one_line)
            assert (placed.status, placed.json["status"]) == (201, "confirmed"), path
        for path in (
            "/api/inventory/PROD-007",
            "/customers/CUST-002",
            "/customers/CUST-002/validate",
        ):
            assert (await operator.get(path)).status == 200, path


async def test_several_lines_over_both_warehouses_are_all_or_nothing(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "SPLIT-1", 3, price=10)
        await new_product(operator, "SPLIT-2", 1, price=7)
        body = {
            "productId": "SPLIT-1",
            "warehouseId": "WH-WEST",
            "delta": 4,
            "reason": "found in the other house",
        }
        assert (await operator.post("/api/v1/inventory/adjust", body)).status == 200
        short = await place(ada, {"SPLIT-1": 5, "SPLIT-2": 2}, onShortage="reject")
        assert short.status == 409
        assert (await stack.stock("SPLIT-1"), await stack.stock("SPLIT-2")) == ((7, 0), (1, 0))
        order = (await place(ada, {"SPLIT-1": 5, "SPLIT-2": 1})).json
    assert order["total"]["amountMinor"] == 57
    allocated = {(a["productId"], a["warehouseId"]): a["quantity"] for a in order["reservation"]}
    assert allocated == {
        ("SPLIT-1", "WH-EAST"): 3,
        ("SPLIT-1", "WH-WEST"): 2,
        ("SPLIT-2", "WH-EAST"): 1,
    }
