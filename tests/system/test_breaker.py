"""Inventory goes down and comes back, as seen by a caller at the orders service's own port."""

import json
import statistics
import time
from typing import Any

from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, new_product, place, settled

OPEN_MESSAGE = "Circuit breaker is open"


async def dependency(staff: Api, name: str = "inventory") -> dict[str, Any]:
    """Returns the state of one dependency as one orders process reports it."""
    answer = await staff.get("/api/v1/resilience")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = next(
        each for each in answer.json["dependencies"] if each["name"] == name
    )
    return found


async def metric(staff: Api, sample: str) -> float:
    text = (await staff.get("/metrics")).body.decode()
    return next(
        (
            float(line.rsplit(" ", 1)[1])
            for line in text.splitlines()
            if line.startswith(sample + " ")
        ),
        0.0,
    )


BREAKER = 'circuit_breaker_state{dependency="inventory"}'
WITHHELD = 'inventory_calls_total{status="circuit_open"}'
FAILED = 'inventory_calls_total{status="failed"}'


async def test_breaker_opens_answers_at_once_and_closes_after_one_trial(stack: Stack) -> None:
    async with (
        stack.at_service_port("orders", ADA) as ada,
        stack.at_service_port("orders", OPERATOR) as staff,
    ):
        async with stack.api(OPERATOR) as operator:
            await new_product(operator, "BREAK-1", 1000)
        assert (await place(ada, {"BREAK-1": 1})).status == 201
        await eventually(lambda: _quiet(staff), 60)
        assert await metric(staff, BREAKER) == 0
        killed = stack.copies("inventory")
        with stack.kept_down("inventory"):
            early = []
            while (await dependency(staff))["state"] == "closed":
                early.append(await place(ada, {"BREAK-1": 1}))
            assert await metric(staff, BREAKER) == 1
            failed, withheld = await metric(staff, FAILED), await metric(staff, WITHHELD)
            late, seconds = [], []
            for _ in range(20):
                started = time.perf_counter()
                late.append(await place(ada, {"BREAK-1": 1}))
                seconds.append(time.perf_counter() - started)
                if (await dependency(staff))["state"] != "open":
                    break
            median_ms = statistics.median(seconds) * 1000
            print(  # noqa: T201 - shown with -s
                f"\nbreaker open: answer in {median_ms:.1f} ms (median of {len(seconds)})"
            )
            _assert_said_to_wait(early, late)
            assert await metric(staff, FAILED) <= failed + 1, (
                "only a trial may call while the breaker is open"
            )
            assert await metric(staff, WITHHELD) >= withheld + len(late) - 1
        await eventually(lambda: _is_back(stack, killed), 120)

        async def half_open() -> bool:
            return await metric(staff, BREAKER) == 2

        await eventually(half_open, 60)
        trial = await place(ada, {"BREAK-1": 1})
        assert trial.status == 201, trial.body
        assert await metric(staff, BREAKER) == 0
        await settled(stack, 120)
        orders = [(await ada.get(answer.headers["location"])).json for answer in [*early, *late]]
        assert {order["status"] for order in orders} == {"confirmed"}
        assert await stack.stock("BREAK-1") == (1000, len(orders) + 2)
        await _assert_timeline_tells(ada, early[0], late[0])
    opened = next(change for change in _changes(stack, "orders") if change["state"] == "open")
    assert (opened["calls"], opened["failures"]) == (5, 5)
    await assert_sound(stack)


def _assert_said_to_wait(early: list[Answer], late: list[Answer]) -> None:
    assert {answer.status for answer in [*early, *late]} == {202}
    assert {answer.json["errorCode"] for answer in [*early, *late]} == {"inventory_unavailable"}
    assert OPEN_MESSAGE in {answer.json["errorMessage"] for answer in late}
    assert "is not available" in early[0].json["errorMessage"]
    assert all(answer.headers["retry-after"] for answer in late)


async def _assert_timeline_tells(ada: Api, repeated: Answer, withheld: Answer) -> None:
    """Asserts that the timeline has each attempt of the first order, and no attempt for the last
    one.
    """
    steps = await _first_steps(ada, repeated)
    assert [step["attempt"] for step in steps] == list(range(1, len(steps) + 1))
    assert {step["outcome"] for step in steps} == {"failed"}
    assert [step["outcome"] for step in await _first_steps(ada, withheld)] == ["not_tried"]


async def _first_steps(ada: Api, answer: Answer) -> list[dict[str, Any]]:
    timeline = (await ada.get(answer.headers["location"] + "/events")).json["events"]
    delayed = next(event for event in timeline if event["type"] == "order.delayed")
    return [step for step in delayed["steps"] if step["name"] == "reserve_stock"]


async def _quiet(staff: Api) -> bool:
    found = await dependency(staff)
    return bool(found["state"] == "closed" and found["window"]["calls"] == 0)


async def _is_back(stack: Stack, killed: dict[str, int]) -> bool:
    now = [(stack.state["processes"][name], pid) for name, pid in killed.items()]
    return all(each["healthy"] and each["identity"]["pid"] != pid for each, pid in now)


def _changes(stack: Stack, process: str) -> list[dict[str, Any]]:
    """Returns the log lines of a process about its breakers."""
    lines = stack.log(process).splitlines()
    return [json.loads(line) for line in lines if '"circuit breaker changed"' in line]


async def test_refusals_of_any_number_never_open_a_breaker(stack: Stack) -> None:
    async with (
        stack.at_service_port("orders", ADA) as ada,
        stack.at_service_port("orders", OPERATOR) as staff,
    ):
        async with stack.api(OPERATOR) as operator:
            await new_product(operator, "BREAK-2", 1)
        before = await _breaker_changes(staff)
        for _ in range(20):
            answers = [
                await place(ada, {"BREAK-2": 2}, onShortage="reject"),
                await place(ada, {"NO-SUCH-PRODUCT": 1}),
                await place(ada, {"BREAK-2": 1}, paymentMethod="card_declined"),
                await place(ada, {"BREAK-2": 0}),
                await ada.get("/api/v1/orders/nothing"),
            ]
            assert [answer.status for answer in answers] == [409, 422, 402, 400, 404]
        assert await _breaker_changes(staff) == before
        assert {
            each["state"] for each in (await staff.get("/api/v1/resilience")).json["dependencies"]
        } == {"closed"}


async def _breaker_changes(staff: Api) -> list[str]:
    text = (await staff.get("/metrics")).body.decode()
    return [line for line in text.splitlines() if line.startswith("circuit_breaker_changes_total")]
