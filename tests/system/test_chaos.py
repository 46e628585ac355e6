"""Whole stacks with injected faults: committed work is found again, slow work is awaited or
finished later.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pyreqwest.exceptions import TransportError

from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, new_product, place, settled
from tests.system.test_kill import place_until_answered
from valerix.contracts.commands import CAPTURE_PAYMENTS, RESERVE_STOCK

ADMIN = "admin@demo.valerix.example"
REGISTER = "/api/v1/users/register"
TIMEOUT_SECONDS = 90


@asynccontextmanager
async def broken(stack: Stack, service: str, kind: str, **fault: Any) -> AsyncIterator[Api]:
    """Injects a fault; all faults are stopped when the block ends."""
    async with stack.api(ADMIN) as admin:
        body = {"kind": kind, "durationSeconds": 600, **fault}
        answer = await admin.call("PUT", f"/api/v1/chaos/{service}", body)
        assert answer.status == 200, answer.body
        try:
            yield admin
        finally:
            assert (await admin.call("DELETE", "/api/v1/chaos")).status == 200


async def steps(api: Api, order: dict[str, Any], name: str) -> list[tuple[str, str | None]]:
    """Returns (outcome, detail) of every attempt of a step."""
    timeline = (await api.get(f"/api/v1/orders/{order['id']}/events")).json
    found = [
        step
        for event in timeline["events"]
        for step in event.get("steps", [])
        if step["name"] == name
    ]
    return [(step["outcome"], step.get("detail")) for step in found]


async def confirmed(api: Api, order_id: str) -> bool:
    return bool((await api.get(f"/api/v1/orders/{order_id}")).json["status"] == "confirmed")


# --- slow inventory


async def test_slow_inventory_under_the_timeout_makes_the_order_late_and_nothing_else(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "SLOW-1", 100)
        async with broken(
            stack, "inventory", "gremlin", every=1, delayMs=stack.scaled_ms(1.5), path=RESERVE_STOCK
        ) as admin:
            answer = await place(ada, {"SLOW-1": 5})
            state = (await admin.get("/api/v1/chaos/inventory")).json
        assert (answer.status, answer.json["status"]) == (201, "confirmed")
        assert [outcome for outcome, _ in await steps(ada, answer.json, "reserve_stock")] == ["ok"]
    assert state["copies"] == ["inventory", "inventory-2"]
    assert state["active"][0]["strikes"] == 1
    assert await stack.stock("SLOW-1") == (100, 5)


async def test_slow_inventory_past_the_timeout_is_asked_again_and_deducts_once(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "SLOW-2", 100)
        slow = {"every": 1, "delayMs": stack.scaled_ms(6), "times": 1, "path": RESERVE_STOCK}
        async with broken(stack, "inventory", "gremlin", **slow):
            answer = await place(ada, {"SLOW-2": 5}, key="slow-2")
        assert (answer.status, answer.json["status"]) == (201, "confirmed")
        attempts = await steps(ada, answer.json, "reserve_stock")
        assert [outcome for outcome, _ in attempts] == ["failed", "ok"]
        assert str(attempts[0][1]).startswith("no answer within")
        again = await place(ada, {"SLOW-2": 5}, key="slow-2")
        assert (again.status, again.body) == (200, answer.body)
        await _idle(stack)
    assert await stack.stock("SLOW-2") == (100, 5)


async def test_slow_inventory_on_every_attempt_is_answered_in_time_and_finished_later(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "SLOW-3", 100)
        async with broken(
            stack, "inventory", "gremlin", every=1, delayMs=600_000, path=RESERVE_STOCK
        ):
            answer = await place(ada, {"SLOW-3": 5}, key="slow-3")
            assert (answer.status, answer.json["status"]) == (202, "pending")
            assert answer.json["errorCode"] == "inventory_unavailable"
            assert answer.json["errorMessage"].startswith(
                "Inventory is not available: no answer within"
            )
            assert answer.headers["retry-after"]
        await eventually(lambda: confirmed(ada, answer.json["id"]), TIMEOUT_SECONDS)
        assert (await place(ada, {"SLOW-3": 5}, key="slow-3")).status == 200
        await _idle(stack)
    assert await stack.stock("SLOW-3") == (100, 5)


async def _idle(stack: Stack) -> None:
    """Waits until the copies have processed the requests that reached them late."""

    async def nobody_waits() -> bool:
        async with stack.api(OPERATOR) as operator:
            states = [
                (await operator.get(f"/api/v1/resilience/{copy}")).json["door"]
                for copy in ("inventory", "inventory-2")
            ]
        return all(state["inFlight"] <= 1 for state in states)

    await eventually(nobody_waits, TIMEOUT_SECONDS)


# --- crash after the commit


@pytest.mark.parametrize("how", ["drop", "kill"])
@pytest.mark.parametrize(
    ("service", "path"),
    [("inventory", RESERVE_STOCK), ("payments", CAPTURE_PAYMENTS), ("psp", "/v1/charges")],
    ids=["inventory", "payments", "psp"],
)
async def test_crash_after_commit_finds_the_first_result(
    stack: Stack, service: str, path: str, how: str
) -> None:
    sku = f"CRASH-{service}-{how}".upper()
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, sku, 100)
        async with broken(stack, service, "crash", how=how, times=1, path=path) as admin:
            answer = await place(ada, {sku: 5}, key=sku)
            assert answer.status in (201, 202), answer.body
            await eventually(lambda: confirmed(ada, answer.json["id"]), TIMEOUT_SECONDS)
            (fault,) = await _crashes(admin, service)
        assert (fault["state"], fault["strikes"]) == ("spent", 1)
        stock = (await ada.get(f"/api/v1/inventory/{sku}")).json
        assert (stock["onHand"], stock["available"]) == (100, 95)
        if service != "psp":  # payments calls the provider, and records the answer itself
            attempts = await steps(
                ada, answer.json, "reserve_stock" if service == "inventory" else "charge"
            )
            assert attempts[0] == ("failed", "the connection was lost")
            assert attempts[-1][1] == "idempotent"
        again = await place(ada, {sku: 5}, key=sku)
        assert (again.status, again.json["status"]) == (200, "confirmed")
    captures = [
        c["captures"]
        for c in (await stack.ledger())["charges"]
        if answer.json["id"] in c["reference"]
    ]
    assert captures == [1]
    await assert_sound(stack)


async def _crashes(admin: Api, service: str) -> list[dict[str, Any]]:
    """Returns the latest fault of a service, once it is over."""

    async def found() -> list[dict[str, Any]]:
        answer = await admin.get(f"/api/v1/chaos/{service}")
        # A service without another copy has no address at the gateway until it is back.
        if answer.status != 200 or answer.json["active"]:
            return []
        history: list[dict[str, Any]] = answer.json["history"]
        return history[:1]

    return await eventually(found, TIMEOUT_SECONDS)


# --- between any two durable steps

POINTS = [
    ("orders", "orders.accepting"),
    ("orders", "orders.accepted"),
    ("orders", "saga.reserve_stock.done"),
    ("orders", "saga.charge.done"),
    ("orders", "orders.finishing"),
    ("orders", "orders.finished"),
    ("orders worker", "relay.published"),  # both have a relay, and one relay is active
    ("inventory", "inventory.committing"),
    ("inventory", "inbox.committed"),
    ("payments", "payments.opened"),
    ("payments", "payments.charged"),
    ("payments", "payments.settled"),
    ("psp", "psp.written"),
]


@pytest.mark.parametrize(("services", "point"), POINTS, ids=[point for _, point in POINTS])
async def test_killed_between_two_steps_every_order_is_finished_once(
    stack: Stack, services: str, point: str
) -> None:
    sku = f"POINT-{point}".upper()
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada, AsyncExitStack() as breaking:
        await new_product(operator, sku, 100)
        faults = [
            broken(stack, service, "failpoint", point=point, action="kill")
            for service in services.split()
        ]
        admins = [await breaking.enter_async_context(fault) for fault in faults]
        answers = [
            await place_until_answered(ada, sku, f"{sku}-{number}", 1) for number in range(3)
        ]
        await eventually(lambda: struck(admins[0], services.split()), TIMEOUT_SECONDS)
        await breaking.aclose()
        await settled(stack, TIMEOUT_SECONDS)
    assert len({answer.json["id"] for answer in answers}) == 3
    assert await stack.stock(sku) == (100, 3)
    await assert_sound(stack)


async def struck(admin: Api, services: list[str]) -> bool:
    """Whether the fault is over in one of the services because it struck."""
    try:
        answers = [await admin.get(f"/api/v1/chaos/{service}") for service in services]
    except TransportError:  # the fault struck during the query
        return False
    registers = [answer.json for answer in answers if answer.status == 200]
    return any(
        not each["active"] and each["history"][0]["state"] == "spent"
        for each in registers
        if each["history"]
    )


async def test_cancelling_while_the_provider_is_away_is_accepted_and_done_later(
    stack: Stack,
) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "AWAY-1", 10)
        paths = [f"/api/v1/orders/{(await place(ada, {'AWAY-1': 1})).json['id']}" for _ in range(3)]
        async with broken(stack, "payments", "cut", dependency="psp"):
            answer = await ada.call("DELETE", paths[1])
            assert (answer.status, answer.json["status"], answer.json["reservation"]) == (
                202,
                "confirmed",
                None,
            )
            assert await stack.stock("AWAY-1") == (10, 2)
            # In the same batches of the worker, other orders go on.
            assert (await operator.call("PUT", paths[0], {"status": "processing"})).status == 200
            await new_product(operator, "AWAY-FREE", 5, price=0)
            free = await place(ada, {"AWAY-FREE": 9}, onShortage="backorder")
            restock = {
                "productId": "AWAY-FREE",
                "warehouseId": "WH-EAST",
                "delta": 9,
                "reason": "delivery",
            }
            assert (await operator.post("/api/v1/inventory/adjust", restock)).status == 200
            await eventually(lambda: confirmed(ada, free.json["order"]["id"]), TIMEOUT_SECONDS)
            assert (await ada.get(paths[1])).json["status"] == "confirmed"
        await eventually(lambda: _is_cancelled(ada, paths[1]), TIMEOUT_SECONDS)
    assert await stack.stock("AWAY-1") == (10, 2)
    await assert_sound(stack)


async def _is_cancelled(api: Api, path: str) -> bool:
    return bool((await api.get(path)).json["status"] == "cancelled")


# --- from the command line


async def test_the_command_line_breaks_watches_and_mends(stack: Stack) -> None:
    what = f"100% of the requests of {REGISTER} are answered 503"
    injected = stack.cli(
        "chaos", "errors", "users", "--fraction", "1", "--match", REGISTER, "--for", "10m"
    ).stdout
    try:
        assert injected.startswith(f"users: {what}\n")
        assert "in force in users\n" in injected
        async with stack.api(None) as guest:
            refused: Answer = await guest.post(REGISTER, {})
            assert (refused.status, refused.json["code"]) == (503, "unavailable")
        assert what in stack.cli("chaos").stdout, "users admits administrators"
    finally:
        stopped = stack.cli("chaos", "stop").stdout
    assert stopped.startswith("Ended 1 fault.\n")
    assert stack.cli("chaos").stdout.startswith("Nothing is injected.\n")
    latest = json.loads(stack.cli("chaos", "history", "--json").stdout)["items"][-1]
    assert (latest["service"], latest["fault"]["state"], latest["fault"]["strikes"]) == (
        "users",
        "stopped",
        1,
    )


async def test_a_service_that_is_cut_off_says_so_and_goes_on_once_it_is_not(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        async with (
            broken(stack, "orders", "cut", dependency="payments"),
            broken(stack, "worker", "cut", dependency="payments"),
        ):
            answer = await place(ada, {"PROD-008": 1})
            assert (answer.status, answer.json["errorCode"]) == (202, "payments_unavailable")
            assert "cannot be connected to" in answer.json["errorMessage"]
        await eventually(lambda: confirmed(ada, answer.json["id"]), TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    "behaviour", ["timeout-before", "timeout-after", "error-after", "rate-limit", "stall"]
)
async def test_whatever_the_provider_does_is_charged_once(stack: Stack, behaviour: str) -> None:
    async with stack.api(ADA) as ada, broken(stack, "psp", "behaviour", name=behaviour, times=1):
        answer = await place(ada, {"PROD-008": 1})
        assert answer.status in (201, 202), answer.body
        await eventually(lambda: confirmed(ada, answer.json["id"]), TIMEOUT_SECONDS)
    captures = [
        c["captures"]
        for c in (await stack.ledger())["charges"]
        if answer.json["id"] in c["reference"]
    ]
    assert captures == [1]


async def test_a_provider_told_to_decline_declines(stack: Stack) -> None:
    async with stack.api(ADA) as ada, broken(stack, "psp", "behaviour", name="decline", times=1):
        answer = await place(ada, {"PROD-008": 1})
    assert (answer.status, answer.json["order"]["status"]) == (402, "failed")
