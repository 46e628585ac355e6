"""Operators advance orders by hand, and an order changed in between continues along its path."""

from typing import Any

from tests.support.api import Answer
from tests.support.stack import ADA, OPERATOR, Stack, new_product, place

PAUL = {"name": "Paul", "street": "1 Main St", "city": "Trenton", "country": "US"}


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body


async def test_an_operator_moves_an_order_through_the_warehouse(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "BYHAND-1", 10)
        order = (await place(ada, {"BYHAND-1": 3})).json
        path = f"/api/v1/orders/{order['id']}"

        async def move(status: str, **more: Any) -> Answer:
            return await operator.call("PUT", path, {"status": status}, **more)

        refused(await ada.call("PUT", path, {"status": "processing"}), 403, "staff_only")
        refused(await move("processing", If_Match='"1"'), 412, "version_conflict")
        refused(
            await operator.call("PUT", path, {"status": "processing", "quantity": 1}),
            400,
            "invalid",
        )
        refused(await move("confirmed"), 400, "invalid")
        moved = await move("processing", If_Match=f'"{order["version"]}"')
        assert (moved.status, moved.json["status"], moved.json["version"]) == (200, "processing", 3)
        moved = await move("completed")
        assert (moved.status, moved.json["status"], moved.json["version"]) == (200, "completed", 5)
        assert (await move("completed")).body == moved.body, "a repeated request changes nothing"
        refused(await move("processing"), 409, "illegal_transition")
        events = (await ada.get(f"{path}/events")).json["events"]
    assert [e["status"] for e in events] == [
        "pending",
        "confirmed",
        "processing",
        "shipped",
        "completed",
    ]
    assert await stack.stock("BYHAND-1") == (7, 0)


async def test_what_has_ended_or_is_not_paid_is_not_moved(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "BYHAND-2", 1)
        held = (await place(ada, {"BYHAND-2": 2})).json["order"]["id"]
        failed = (await place(ada, {"BYHAND-2": 1}, paymentMethod="card_declined")).json["order"][
            "id"
        ]
        for order_id in (held, failed):
            answer = await operator.call("PUT", f"/api/v1/orders/{order_id}", {"status": "shipped"})
            refused(answer, 409, "illegal_transition")


async def test_an_order_with_a_new_address_is_still_on_its_way(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        order = (await place(ada, {"PROD-018": 1})).json
        due = "SELECT due_at FROM orders WHERE id = $1"
        (before,) = await stack.rows("orders", due, order["id"])
        changed = await ada.call("PUT", f"/api/v1/orders/{order['id']}", {"shippingAddress": PAUL})
        assert (changed.status, changed.json["shippingAddress"]) == (200, PAUL)
        (after,) = await stack.rows("orders", due, order["id"])
    assert abs((after["due_at"] - before["due_at"]).total_seconds()) < 60


def test_the_commands_change_an_order(stack: Stack) -> None:
    order_id = stack.cli("order", "place", "--customer", "CUST-001", "PROD-018").stdout.split()[1]
    shown = stack.cli("order", "show", order_id).stdout
    (version,) = [line.split()[1] for line in shown.splitlines() if line.startswith("version")]
    moved = stack.cli("order", "change", order_id, "--status", "completed", "--version", version)
    assert "completed" in moved.stdout
    late = stack.cli(
        "order", "change", order_id, "--status", "completed", "--version", version, check=False
    )
    assert (late.returncode, "version" in late.stderr) == (1, True)
