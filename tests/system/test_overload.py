"""More load than a stack can take: some requests are shed, none is lost, and few calls are
repeated.
"""

from collections.abc import Iterator

import pytest

from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.open_loop import Phase, Shooter, Target
from tests.support.stack import (
    ADA,
    OPERATOR,
    Stack,
    assert_sound,
    new_product,
    own_stack,
    place,
    settled,
)

CAPACITY = 24
STOCK = 1_000_000
SATURATED_SECONDS, OVERLOAD_SECONDS = 3.0, 5.0
TIMES = 3
ARRIVED = 'http_requests_total{endpoint="/api/v1/orders",method="POST",status="'


@pytest.fixture
def small_stack() -> Iterator[Stack]:
    """Provides a stack whose services admit so few requests that a test can overload it; the
    gateway answers no 429.
    """
    with own_stack(
        dwell_seconds="3600", max_in_flight=str(CAPACITY), gateway_capacity="1000000"
    ) as started:
        yield started


async def test_overload_sheds_early_loses_nothing_and_is_not_amplified(small_stack: Stack) -> None:
    stack = small_stack
    async with (
        stack.api(ADA) as ada,
        stack.api(OPERATOR) as operator,
        stack.at_service_port("orders", OPERATOR) as staff,
    ):
        await new_product(operator, "OVER-1", STOCK)
        phases = await _overload(stack, await stack.token(ADA))
        shots = [shot for phase in phases for shot in phase.shots]
        assert {shot.status for shot in shots} <= {201, 202, 503}
        assert all(phase.statuses[201] for phase in phases), "nothing got through"
        told_when = sum(shot.retry_after for shot in shots if shot.status == 503)
        shed = (await staff.get("/api/v1/resilience")).json["door"]["shed"]
        assert 0 < shed <= told_when, "every shed request gets a Retry-After"
        assert await _attempts(staff) <= 1.2 * len(shots)

        await settled(stack, 120)
        accepted = sum(shot.status in (201, 202) for shot in shots)
        rows = await stack.rows("orders", "SELECT status FROM orders")
        assert len(rows) == accepted, "a shed request writes no row"
        assert {row["status"] for row in rows} == {"confirmed"}
        assert await stack.stock("OVER-1") == (STOCK, accepted)

        async def as_before() -> bool:
            return (await place(ada, {"OVER-1": 1})).status == 201

        await eventually(as_before, 60)
    await assert_sound(stack)


async def _overload(stack: Stack, token: str) -> list[Phase]:
    """Sends first as much as the stack takes, then three times that, whatever it answers; more, if
    it takes that as well.
    """
    async with Shooter(Target(stack.url, token, "CUST-001", "OVER-1", "overload")) as shooter:
        phases = [await shooter.at_once(CAPACITY // 2, SATURATED_SECONDS)]
        before = rate = phases[0].goodput()
        while len(phases) == 1 or not phases[-1].statuses[503]:
            rate *= TIMES
            phases.append(await shooter.at_rate(rate, OVERLOAD_SECONDS))
            await shooter.answered()
        over = phases[-1]
        phases.append(await shooter.at_once(CAPACITY // 2, SATURATED_SECONDS))
    print(  # noqa: T201 - shown with -s
        f"\n{before:.0f} orders/s; {over.goodput() / before:.0%} of them when {rate:.0f}/s were "
        f"sent, {phases[-1].goodput() / before:.0%} afterwards; {dict(over.statuses)}, "
        f"{over.unsent} unsent"
    )
    return phases


async def _attempts(staff: Api) -> float:
    """Returns the number of requests that reached orders plus the calls that orders repeated."""
    text = (await staff.get("/metrics")).body.decode()
    arrived = sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(ARRIVED)
    )
    dependencies = (await staff.get("/api/v1/resilience")).json["dependencies"]
    return arrived + sum(int(each["retries"]) for each in dependencies)
