"""The latency of the last thirty seconds, as users experienced it, during injected latency and
after it.
"""

import asyncio
from typing import Any

from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, place

ADMIN = "admin@demo.valerix.example"
GAUGE = "orders_response_seconds_avg_30s"
DELAY_MS = 2500


async def responses(staff: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await staff.get("/api/v1/resilience")).json["responses"]
    return found


async def gauge(staff: Api) -> float:
    text = (await staff.get("/metrics")).body.decode()
    return next(
        float(line.split()[1]) for line in text.splitlines() if line.startswith(GAUGE + " ")
    )


async def test_thirty_seconds_average_crosses_a_second_under_the_gremlin_and_returns(
    stack: Stack,
) -> None:
    async with (
        stack.at_service_port("orders", ADA) as ada,
        stack.at_service_port("orders", OPERATOR) as staff,
        stack.at_service_port("orders", ADMIN) as admin,
    ):

        async def nobody_waited() -> bool:
            return (await responses(staff))["averageSeconds"] is None

        await eventually(nobody_waited, 90)
        assert await gauge(staff) != await gauge(staff), (
            "the value is NaN while there is nothing to average"
        )

        gremlin = {
            "kind": "gremlin",
            "every": 1,
            "delayMs": DELAY_MS,
            "path": "/api/v1/orders",
            "durationSeconds": 60,
        }
        answer = await admin.call("PUT", "/api/v1/chaos", gremlin)
        assert answer.status == 200, answer.body
        try:
            slow = await asyncio.gather(*(place(ada, {"PROD-009": 1}) for _ in range(3)))
        finally:
            await admin.call("DELETE", "/api/v1/chaos")
        assert {answer.status for answer in slow} == {201}
        now = await responses(staff)
        assert now["count"] == 3
        assert now["averageSeconds"] > 1
        assert await gauge(staff) > 1

        async def fast_again() -> bool:
            assert (await place(ada, {"PROD-009": 1})).status == 201
            return bool((await responses(staff))["averageSeconds"] < 1)

        await eventually(fast_again, 90)
