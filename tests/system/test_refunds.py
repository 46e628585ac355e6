"""Refunds by staff are visible: in the order, its history, its customer's messages, and the
audit.
"""

from contextlib import suppress
from typing import Any

import pytest
from pyreqwest.exceptions import TransportError

from tests.support.api import Answer, Api
from tests.support.eventually import eventually, eventually_equal
from tests.support.stack import (
    ADA,
    OPERATOR,
    PRICE,
    Stack,
    assert_sound,
    new_product,
    place,
    settled,
)
from tests.system.test_chaos import TIMEOUT_SECONDS, broken, struck

MAILS = """SELECT body FROM notifications
           WHERE template = 'payment_refunded' AND subject LIKE '%' || $1 || '%'
           ORDER BY created_at"""

UNREPORTED = """SELECT 1 FROM refunds r JOIN payments p ON p.id = r.payment_id
            WHERE p.order_id = $1 AND r.due_at IS NOT NULL"""


async def give_back(
    operator: Api, order_id: str, body: dict[str, Any], key: str | None = None
) -> Answer:
    headers = {} if key is None else {"idempotency_key": key}
    return await operator.post(await refunds_of(operator, order_id), body, **headers)


async def refunds_of(operator: Api, order_id: str) -> str:
    """Returns the path of the refunds of an order's payment."""
    payment = (await operator.get(f"/api/v1/payments/order/{order_id}")).json
    return f"/api/v1/payments/{payment['id']}/refund"


async def shows(api: Api, order_id: str, amount_minor: int, seconds: float = 60) -> dict[str, Any]:
    """Waits until the order shows this refunded amount, and returns it."""

    async def shown() -> dict[str, Any] | None:
        order: dict[str, Any] = (await api.get(f"/api/v1/orders/{order_id}")).json
        return (
            order
            if order.get("refunded") == {"amountMinor": amount_minor, "currency": "USD"}
            else None
        )

    order = await eventually(shown, seconds)
    assert order is not None
    return order


async def test_a_refund_of_a_delivered_order_is_seen_by_everybody_and_changes_nothing_else(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "REFUNDS-1", 10)
        first = await place(ada, {"REFUNDS-1": 2}, idempotencyKey="refunds-1")
        order_id = first.json["id"]
        path = f"/api/v1/orders/{order_id}"
        assert (await operator.call("PUT", path, {"status": "completed"})).status == 200
        before = (await ada.get(path)).json
        assert "refunded" not in before
        refund = {"amountMinor": 77, "reason": "scratched"}
        given, again = [
            await give_back(operator, order_id, refund, "seventy-seven") for _ in range(2)
        ]
        assert (given.status, again.status) == (201, 200)

        order = await shows(ada, order_id, 77)
        assert (order["status"], order["version"]) == ("completed", before["version"] + 1)
        entry = (await ada.get(f"{path}/events")).json["events"][-1]
        assert (entry["type"], entry["status"]) == ("order.refunded", "completed")
        money = {"amountMinor": 77, "currency": "USD"}
        assert entry["refund"] == {"id": given.json["id"], "amount": money, "reason": "scratched"}
        assert entry["by"] == {"kind": "staff"}
        to_staff = (await operator.get(f"{path}/events")).json["events"][-1]
        assert to_staff["by"]["actor"]["role"] == "operator"

        assert (
            await give_back(operator, order_id, {"amountMinor": 3, "reason": "late"})
        ).status == 201
        assert (await shows(ada, order_id, 80))["version"] == before["version"] + 2
        replay = await place(ada, {"REFUNDS-1": 2}, idempotencyKey="refunds-1")
        assert (replay.status, replay.body) == (200, first.body)

        async def mailed() -> list[dict[str, Any]] | None:
            mails = await stack.rows("notifications", MAILS, order_id)
            return mails if len(mails) == 2 else None

        mails = await eventually(mailed)
        assert mails is not None
        for mail, amount in zip(mails, ("0.77", "0.80"), strict=True):
            assert f"Refunded so far: {amount} USD" in mail["body"]

    async def mails_sent() -> int:
        return [event["type"] for event in await stack.live_events(order_id)].count(
            "valerix.order.refunded.v1"
        )

    await eventually_equal(mails_sent, 2)
    await settled(stack)
    await assert_sound(stack)


async def test_an_order_that_has_not_shipped_is_cancelled_and_not_refunded_in_full(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "REFUNDS-2", 10)
        order_id = (await place(ada, {"REFUNDS-2": 1})).json["id"]
        for body in ({}, {"amountMinor": PRICE}):
            refused = await give_back(operator, order_id, body)
            assert (refused.status, refused.json["code"]) == (409, "cancel_instead")
            assert "cancel it to refund" in refused.json["detail"]
        assert (
            await give_back(operator, order_id, {"amountMinor": 1, "reason": "scratched"})
        ).status == 201
        assert (await shows(ada, order_id, 1))["status"] == "confirmed"
        cancelled = await ada.call("DELETE", f"/api/v1/orders/{order_id}")
        assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
        assert (await give_back(operator, order_id, {"amountMinor": 1})).json[
            "code"
        ] == "order_not_refundable"
        history = [
            entry["type"]
            for entry in (await ada.get(f"/api/v1/orders/{order_id}/events")).json["events"]
        ]
    assert history == ["order.created", "order.confirmed", "order.refunded", "order.cancelled"]
    await settled(stack)
    await assert_sound(stack)


async def test_a_refund_is_told_when_the_provider_has_given_it_and_not_before(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        order_id = (await place(ada, {"PROD-008": 1})).json["id"]
        async with broken(stack, "payments", "cut", dependency="psp"):
            given = await give_back(operator, order_id, {"amountMinor": 5, "reason": "late"})
            assert (given.status, given.json["status"]) == (202, "pending")
            assert "refunded" not in (await ada.get(f"/api/v1/orders/{order_id}")).json
        await shows(ada, order_id, 5, TIMEOUT_SECONDS)


@pytest.mark.parametrize("point", ["payments.refund.ended", "payments.refund.told"])
async def test_killed_before_and_after_it_is_told_a_refund_is_told_once(
    stack: Stack, point: str
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        order_id = (await place(ada, {"PROD-008": 1})).json["id"]
        path = await refunds_of(operator, order_id)
        async with broken(stack, "payments", "failpoint", point=point, action="kill") as admin:

            async def given() -> bool:
                with suppress(TransportError):  # the process is killed before it can answer
                    answer = await operator.post(
                        path, {"amountMinor": 5, "reason": "late"}, idempotency_key=point
                    )
                    return answer.status in (200, 201)
                return False

            await eventually(given, TIMEOUT_SECONDS)
            await eventually(lambda: struck(admin, ["payments"]), TIMEOUT_SECONDS)
        await shows(ada, order_id, 5, TIMEOUT_SECONDS)

        async def is_reported() -> bool:
            return not await stack.rows("payments", UNREPORTED, order_id)

        await eventually(is_reported, TIMEOUT_SECONDS)
        history = [
            entry["type"]
            for entry in (await ada.get(f"/api/v1/orders/{order_id}/events")).json["events"]
        ]
    assert history.count("order.refunded") == 1
    await settled(stack)
    await assert_sound(stack)
