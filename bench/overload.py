"""Measures a stack under three times as many orders as it can take: goodput, shedding and recovery.

    python -m bench.overload [--seconds 30] [--times 3]

starts a stack of its own and sends through its gateway, open-loop: each request when it is due,
whether or not earlier ones were answered. Run it from the repository on an otherwise idle machine.
It prints the figures beside the goals, then audits the stack.
"""

import argparse
import asyncio
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import NamedTuple

import uvloop
from tests.support.api import Api
from tests.support.open_loop import Phase, Shooter, Target
from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, new_product, own_stack, settled

CROWD = 128
"""Concurrent requests to find the stack's capacity."""
WARM_UP_SECONDS, PEAK_SECONDS, BEFORE_SECONDS, AFTER_SECONDS = 8.0, 10.0, 15.0, 20.0
AROUND = (0.8, 1.0, 1.2)
"""Rates to try, relative to the goodput of the crowd. The peak is the highest goodput of all."""
CALM = 0.9
"""Rate before and after the overload, as a share of the peak."""
RECOVERED_SECONDS = 10
SETTLE_SECONDS = 240.0
SERVICE_PORT = 'http_requests_total{endpoint="/api/v1/orders",method="POST",status="'
STEPS = """
    SELECT step->>'name' AS name, count(*)::int AS n
    FROM order_events, json_array_elements(steps) AS step
    WHERE order_id IN (SELECT id FROM orders WHERE created_at >= $1 AND created_at < $2)
    GROUP BY 1"""
"""Attempts by step for the orders of a period, counted per order: one call carries many orders."""


class Part(NamedTuple):
    """A part of a load.

    `rate`: requests per second. `crowd`: instead of a rate, concurrent requests.
    """

    seconds: float
    rate: float = 0.0
    crowd: int = 0


class Sent(NamedTuple):
    """The phases of a load, and the sender's own cost."""

    phases: list[Phase]
    cpu_seconds: float
    """Processor time of the sender itself, per second."""


def send(target: Target, parts: list[Part]) -> Sent:
    """Send the parts one directly after the other. Runs in a process of its own."""

    async def run() -> list[Phase]:
        phases = []
        async with Shooter(target) as shooter:
            for seconds, rate, crowd in parts:
                phases.append(
                    await (
                        shooter.at_once(crowd, seconds) if crowd else shooter.at_rate(rate, seconds)
                    )
                )
            await shooter.answered()
        return phases

    began, cpu = time.monotonic(), time.process_time()
    phases = uvloop.run(run())
    return Sent(phases, (time.process_time() - cpu) / (time.monotonic() - began))


def describe(name: str, phase: Phase) -> str:
    """Return the figures of a phase in one line."""
    waits, lateness = phase.waits, phase.lateness
    answers = ", ".join(
        f"{status or 'none'}: {count}" for status, count in sorted(phase.statuses.items())
    )
    return (
        f"{name:>10}  {phase.goodput():6.1f} accepted of {phase.offered:6.1f} requests/s   "
        f"p50 {_part(waits, 0.5) * 1000:.0f}, p99 {_part(waits, 0.99) * 1000:.0f} ms   "
        f"answers {answers}; "
        f"unsent {phase.unsent}, sent late p99 {_part(lateness, 0.99) * 1000:.0f} ms"
    )


def _part(ascending: list[float], part: float) -> float:
    return ascending[int(len(ascending) * part)] if ascending else 0.0


async def repeated(stack: Stack) -> float:
    """Return how many calls between services were repeated so far, by any process."""
    return sum(
        [
            await _metric(stack, name, "call_retries_total{")
            for name in ("orders", "worker", "payments")
        ]
    )


async def arrived(stack: Stack) -> float:
    """Return how many requests to place orders reached the service so far."""
    return await _metric(stack, "orders", SERVICE_PORT)


async def _metric(stack: Stack, process: str, prefix: str) -> float:
    async with Api.open(stack.service_url(process)) as api:
        lines = (await api.get("/metrics")).body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(prefix))


class Bench:
    """One run on one stack."""

    def __init__(self, stack: Stack, options: argparse.Namespace, sender: Executor) -> None:
        self._stack, self._options, self._sender = stack, options, sender
        self._product = "OVERLOAD"

    async def run(self) -> None:
        async with self._stack.api(OPERATOR) as operator:
            await new_product(operator, self._product, 1_000_000)
        peak = await self._peak()
        before, over, after = await self._overload(peak)
        self._judge(peak, before, over, after)
        await settled(self._stack, SETTLE_SECONDS)
        await assert_sound(self._stack)
        print("audit      sound: every order, unit of stock and charge reconciled")

    async def _send(self, run: str, *parts: Part) -> Sent:
        target = Target(
            self._stack.url, await self._stack.token(ADA), "CUST-001", self._product, run
        )
        return await asyncio.get_running_loop().run_in_executor(
            self._sender, send, target, list(parts)
        )

    async def _peak(self) -> float:
        """Return the highest rate of accepted orders per second, over all ways of sending."""
        (_, crowd), _ = await self._send(
            "crowd", Part(WARM_UP_SECONDS, crowd=CROWD), Part(PEAK_SECONDS, crowd=CROWD)
        )
        print(describe(f"{CROWD} wait", crowd))
        reached = crowd.goodput()
        around, _ = await self._send(
            "around", *(Part(PEAK_SECONDS, rate=share * reached) for share in AROUND)
        )
        for share, phase in zip(AROUND, around, strict=True):
            print(describe(f"x {share}", phase))
        return max(phase.goodput() for phase in (crowd, *around))

    async def _overload(self, peak: float) -> list[Phase]:
        arrived_before, repeated_before = await arrived(self._stack), await repeated(self._stack)
        parts = [
            Part(BEFORE_SECONDS, rate=CALM * peak),
            Part(self._options.seconds, rate=self._options.times * peak),
            Part(AFTER_SECONDS, rate=CALM * peak),
        ]
        began = datetime.now(UTC)
        phases, cpu = await self._send("over", *parts)
        for name, phase in zip(("before", "overload", "after"), phases, strict=True):
            print(describe(name, phase))
        print(f"the sender took {cpu:.0%} of a core")
        over = phases[1]
        by_second = [round(over.goodput(s, s + 1)) for s in range(int(over.seconds))]
        print(f"accepted in each second of overload: {by_second}")
        after = phases[2]
        by_second = [round(after.goodput(s, s + 1)) for s in range(int(after.seconds))]
        print(f"… and after it: {by_second}")
        sent = sum(len(phase.shots) for phase in phases)
        arrivals = (await arrived(self._stack) - arrived_before) / sent
        again = await repeated(self._stack) - repeated_before
        steps = {
            row["name"]: row["n"]
            for row in await self._stack.rows("orders", STEPS, began, datetime.now(UTC))
        }
        print(
            f"attempts   {arrivals:.3f} arrivals at orders per request sent; "
            f"{again:.0f} calls between services were repeated: "
            f"{arrivals + again / len(over.shots):.3f} per request of the overload (at most 1.2)"
        )
        print(f"attempts by step, of the orders behind {sent} requests: {steps}")
        return phases

    def _judge(self, peak: float, before: Phase, over: Phase, after: Phase) -> None:
        calm = before.goodput()
        soon, then = after.goodput(last=RECOVERED_SECONDS), after.goodput(RECOVERED_SECONDS)
        shed = sum(count for status, count in over.statuses.items() if status in (429, 503))
        print(
            f"\npeak       {peak:.0f} orders/s accepted; "
            f"{over.offered / peak:.1f} times as many offered\n"
            f"goodput    {over.goodput() / peak:.0%} of the peak during overload (at least 70 %)\n"
            f"shed       {shed / len(over.shots):.0%} of the requests\n"
            f"recovery   {soon / calm:.0%} of before in the first {RECOVERED_SECONDS} s, "
            f"{then / calm:.0%} after them (at least 95 %)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of overload")
    parser.add_argument("--times", type=float, default=3.0, help="of the peak")
    options = parser.parse_args()
    with own_stack() as stack, ProcessPoolExecutor(1, get_context("spawn")) as sender:
        asyncio.run(Bench(stack, options, sender).run())


if __name__ == "__main__":
    main()
