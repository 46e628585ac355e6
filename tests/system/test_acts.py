"""Acts of staff are recorded with the order and in the audit; customers see that staff acted, not
which person.
"""

import secrets
from contextlib import suppress
from typing import Any, Final

from pyreqwest.exceptions import RequestError

from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, new_product, place

ADMIN: Final = "admin@demo.valerix.example"
PRODUCT: Final = "ACTS-1"


async def test_a_refund_and_a_cancellation_by_staff_stand_with_the_order_and_in_the_audit(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada, stack.api(ADMIN) as admin:
        await new_product(operator, PRODUCT, 10)
        order = (await place(ada, {PRODUCT: 1})).json
        path, payment = f"/api/v1/orders/{order['id']}", f"/api/v1/payments/{order['paymentId']}"
        refund, cancel = secrets.token_hex(16), secrets.token_hex(16)
        answer = await operator.post(
            f"{payment}/refund", {"amountMinor": 77}, traceparent=_parent(refund)
        )
        assert answer.status == 201, answer.body
        answer = await operator.call("DELETE", f"{path}?reason=broken", traceparent=_parent(cancel))
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
        me = (await operator.get("/api/v1/users/me")).json["id"]

        history = (await operator.get(f"{path}/events")).json
        assert history["unanswered"] == []
        shown = {act["act"]: act for act in history["acts"]}
        by_me = {"actor": me, "role": "operator", "address": "127.0.0.1"}
        assert _part(shown["payment.refunded"], by_me) == by_me
        assert _part(shown["order.cancelled"], by_me) == by_me
        assert (shown["payment.refunded"]["traceId"], shown["order.cancelled"]["traceId"]) == (
            refund,
            cancel,
        )
        assert shown["payment.refunded"]["what"]["amountMinor"] == 77
        assert shown["order.cancelled"]["what"]["reason"] == "broken"
        actor = {"id": me, "role": "operator", "address": "127.0.0.1", "traceId": cancel}
        assert _entry(history, "order.cancelled")["by"] == {"kind": "staff", "actor": actor}

        for answer in (await ada.get(f"{path}/events"), await ada.get(payment)):
            assert me not in answer.body.decode()
            assert "127.0.0.1" not in answer.body.decode()
        theirs = (await ada.get(f"{path}/events")).json
        assert _entry(theirs, "order.cancelled")["by"] == {"kind": "staff"}
        assert _entry(theirs, "order.confirmed")["by"] is None
        assert "acts" not in theirs
        assert [one["by"] for one in (await ada.get(payment)).json["refunds"]] == [
            {"kind": "staff"},
            None,
        ]
        assert (await operator.get(payment)).json["refunds"][0]["by"]["actor"]["id"] == me

        audited = await eventually(lambda: _audited(admin, me, order["id"], order["paymentId"]))
        assert [(one["action"], one["service"], one["traceId"]) for one in audited] == [
            ("order.cancelled", "orders", cancel),
            ("payment.refunded", "payments", refund),
        ]
        assert {one["address"] for one in audited} == {None}, (
            "the address is stored in the service of the act only"
        )


async def test_an_act_reaches_the_audit_although_its_service_is_killed_at_once(
    stack: Stack,
) -> None:
    """The record is the outbox, so the act and its transport to the audit are committed
    together.
    """
    async with stack.api(OPERATOR) as operator, stack.api(ADMIN) as admin:
        await new_product(operator, "ACTS-2", 10)
        me = (await operator.get("/api/v1/users/me")).json["id"]
        change = {"productId": "ACTS-2", "warehouseId": "WH-EAST", "delta": -1, "reason": "broken"}
        before = stack.copies("inventory")
        fault = {
            "kind": "failpoint",
            "point": "inventory.change.committed",
            "action": "kill",
            "times": 1,
        }
        armed = await admin.call("PUT", "/api/v1/chaos/inventory", fault)
        assert armed.status == 200, armed.body
        with suppress(RequestError):  # the connection ends with the process
            await operator.post("/api/v1/inventory/adjust", change)
        (audited,) = await eventually(
            lambda: _entries(admin, f"subject=ACTS-2&actor={me}&action=stock.adjusted")
        )
        assert audited["details"] == {"warehouseId": "WH-EAST", "delta": -1, "reason": "broken"}
        await admin.call("DELETE", "/api/v1/chaos/inventory")
        await eventually(lambda: _are_back(stack, before), 120)
        (fault_on_record,) = await _entries(
            admin, "service=inventory&subject=inventory&action=chaos.armed"
        )
        assert fault_on_record["details"]["point"] == "inventory.change.committed"


async def _are_back(stack: Stack, before: dict[str, int]) -> bool:
    """Whether all copies of inventory run, one of them as a new process."""
    healthy = all(process["healthy"] for process in stack.state["processes"].values())
    return healthy and stack.copies("inventory") != before


def _parent(trace: str) -> str:
    return f"00-{trace}-{secrets.token_hex(8)}-00"


def _part(document: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in like}


def _entry(history: dict[str, Any], kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [event for event in history["events"] if event["type"] == kind]
    assert len(found) == 1, found
    return found[0]


async def _entries(admin: Api, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await admin.get(f"/api/v1/users/audit?{query}")).json["items"]
    return found


async def _audited(admin: Api, actor: str, *subjects: str) -> list[dict[str, Any]]:
    """Returns an act for each subject; empty until the audit has all of them."""
    found = [
        one
        for subject in subjects
        for one in await _entries(admin, f"actor={actor}&subject={subject}")
    ]
    return found if len(found) == len(subjects) else []
