"""`kill -9` of every process during traffic: it comes back, and every acknowledged order exists and
is correct.
"""

import asyncio
import itertools
import os
import signal

import pytest
from pyreqwest.exceptions import RequestError

from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, new_product, place, settled

VICTIMS = [
    "orders",
    "inventory",
    "payments",
    "users",
    "psp",
    "worker",
    "postgres",
    "valkey",
    "gateway",
]
CUSTOMERS_AT_ONCE = 6
ORDERS_EACH = 12
_numbers = itertools.count(1)


async def place_until_answered(api: Api, sku: str, key: str, lines: int) -> Answer:
    """Places an order as a careful client does: with the same key until there is a definite
    answer.
    """
    async with asyncio.timeout(90):
        while True:
            try:
                answer = await place(api, {sku: lines}, key=key)
            except RequestError:  # the connection ended with its process
                await asyncio.sleep(0.1)
                continue
            if answer.status in (200, 201, 202):
                return answer
            assert answer.status in (409, 502, 503, 504), answer.body
            assert answer.json["code"], answer.body
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("victim", VICTIMS)
async def test_nothing_is_lost_or_doubled_when_a_process_is_killed(
    stack: Stack, victim: str
) -> None:
    run = next(_numbers)
    sku = f"KILL-{run}"
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, sku, 10_000)

        async def customer(number: int) -> list[Answer]:
            return [
                await place_until_answered(ada, sku, f"kill-{run}-{number}-{n}", 1)
                for n in range(ORDERS_EACH)
            ]

        before = stack.pid(victim)
        traffic = [asyncio.create_task(customer(number)) for number in range(CUSTOMERS_AT_ONCE)]
        await _after_some_orders(stack, sku)
        os.kill(before, signal.SIGKILL)
        answers = [answer for answers in await asyncio.gather(*traffic) for answer in answers]
        acknowledged = {answer.json["id"] for answer in answers}
        assert len(acknowledged) == CUSTOMERS_AT_ONCE * ORDERS_EACH, (
            "two answers named the same order"
        )
        await eventually(lambda: _is_back(stack, victim, before), 120)
        await settled(stack)
        orders = await stack.orders_of(sku)
    assert {str(row["id"]) for row in orders} == acknowledged
    assert {row["status"] for row in orders} == {"confirmed"}
    assert await stack.stock(sku) == (10_000, len(acknowledged))
    await assert_sound(stack)


async def _after_some_orders(stack: Stack, sku: str) -> None:
    async def some() -> bool:
        return len(await stack.orders_of(sku)) >= 10

    await eventually(some)


async def _is_back(stack: Stack, victim: str, before: int) -> bool:
    process = stack.state["processes"][victim]
    identity = process["identity"]
    return bool(identity) and identity["pid"] != before and process["healthy"]


async def test_an_order_that_cannot_be_driven_now_is_accepted_and_finished_later(
    stack: Stack,
) -> None:
    """A paused service sends no answer; the caller gets 202, and the worker finishes the order when
    the service continues.
    """
    paused = [stack.pid("payments")]
    async with stack.api(ADA) as ada:
        for pid in paused:
            os.kill(pid, signal.SIGSTOP)
        try:
            answer = await place(ada, {"PROD-009": 1}, key="paused-1")
        finally:
            for pid in paused:
                os.kill(pid, signal.SIGCONT)
        assert answer.status == 202
        assert answer.json["errorCode"] == "payments_unavailable"
        assert answer.headers["retry-after"]

        async def confirmed() -> bool:
            order = (await ada.get(answer.headers["location"])).json
            return bool(order["status"] == "confirmed")

        await eventually(confirmed, 120)
        replay = await place(ada, {"PROD-009": 1}, key="paused-1")
        assert (replay.status, replay.json["status"]) == (200, "confirmed")


@pytest.mark.parametrize("method", ["card_flaky", "card_timeout"])
async def test_a_payment_without_a_clear_answer_is_charged_once(stack: Stack, method: str) -> None:
    async with stack.api(ADA) as ada:
        answer = await place(ada, {"PROD-009": 1}, paymentMethod=method)
        assert answer.status in (201, 202)
        order_id = answer.json["id"]
        await settled(stack)
        assert (await ada.get(f"/api/v1/orders/{order_id}")).json["status"] == "confirmed"
    captures = [
        c["captures"] for c in (await stack.ledger())["charges"] if order_id in c["reference"]
    ]
    assert captures == [1]
