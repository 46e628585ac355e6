"""More than a stack can do: some requests are shed, none is lost, and nothing is sent much more often than asked."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.services import Answer, Api, eventually
from tests.system.conftest import temporary
from tests.system.stack import ADA, OPERATOR, Stack, assert_sound, new_product, place, settled

ROOM = 24
AT_ONCE, ROUNDS = 240, 3
DOOR = 'http_requests_total{endpoint="/api/v1/orders",method="POST",status="'


@pytest.fixture
def small_stack() -> Iterator[Stack]:
    """Its doors let so few in that a test can overload it."""
    for folder in temporary():
        started = Stack(folder, max_in_flight=str(ROOM), dwell_seconds="3600")
        try:
            started.up()
            yield started
        finally:
            started.down()


async def test_overload_sheds_early_loses_nothing_and_is_not_amplified(small_stack: Stack) -> None:
    stack = small_stack
    async with stack.api(ADA) as ada, stack.api(OPERATOR) as operator, stack.at_door("orders", OPERATOR) as staff:
        await new_product(operator, "OVER-1", 100_000)
        answers: list[Answer] = []
        for number in range(ROUNDS):
            keys = [f"overload-{number}-{n}" for n in range(AT_ONCE)]
            answers += await asyncio.gather(*(place(ada, {"OVER-1": 1}, key=key) for key in keys))
        statuses = Counter(answer.status for answer in answers)
        print(f"\noverload: {dict(statuses)}")  # noqa: T201 - for who asked with -s
        assert set(statuses) <= {201, 202, 503}
        assert statuses[201], "nothing got through"
        assert statuses[503], "nothing was shed"
        shed = [answer for answer in answers if answer.status == 503]
        assert all(answer.headers["retry-after"] for answer in shed)
        assert (await staff.get("/api/v1/resilience")).json["door"]["shed"] > 0
        assert await _attempts(staff) <= 1.2 * len(answers)

        await settled(stack, 120)
        accepted = {answer.json["id"] for answer in answers if answer.status in (201, 202)}
        rows = await stack.rows("orders", "SELECT id, status FROM orders")
        assert {str(row["id"]) for row in rows} == accepted, "a shed request has written nothing"
        assert {row["status"] for row in rows} == {"confirmed"}
        assert await stack.stock("OVER-1") == (100_000, len(accepted))

        async def as_before() -> bool:
            return (await place(ada, {"OVER-1": 1})).status == 201

        await eventually(as_before, 60)
    await assert_sound(stack)


async def _attempts(staff: Api) -> float:
    """Requests that reached the door of orders, and calls orders repeated behind it."""
    text = (await staff.get("/metrics")).body.decode()
    arrived = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(DOOR))
    dependencies = (await staff.get("/api/v1/resilience")).json["dependencies"]
    return arrived + sum(int(each["retries"]) for each in dependencies)
