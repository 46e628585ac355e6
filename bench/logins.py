"""Measures how 50 sign-ins a second slow down orders: p99 of placing an order, without and with.

    python -m bench.logins [--seconds 10] [--turns 7] [--orders 20] [--logins 50]

starts a stack of its own and measures in turns; run it from the repository on an otherwise idle
machine. It ends with the ratio of the p99 over all orders (the p99 of one turn is its second
slowest order), and with the spread of the turns.
"""

import argparse
import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.api import Api
from tests.support.stack import ADA, GRACE, OPERATOR, Stack, new_product, own_stack, place

WARM_UP_SECONDS = 3.0
# Not the account that orders: beyond a limit, an account's oldest sessions end.
ACCOUNTS = (GRACE, OPERATOR)
NO_LIMITS = {"guesses_here": "0", "guesses_per_address": "0", "guesses_per_account": "0"}
"""Rate limits are off: the benchmark measures whether the bounded pool protects orders, and a
refusal would be cheaper than a sign-in."""


async def paced(
    per_second: float, seconds: float, send: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Send requests open-loop: each when it is due, whether or not the last one was answered."""
    began = time.perf_counter()
    sent: list[asyncio.Task[None]] = []
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        sent.append(asyncio.create_task(send()))
    await asyncio.gather(*sent)


class Meter:
    """Records the seconds of each order, and the statuses of the sign-ins."""

    def __init__(self, owner: Api, guest: Api, password: str) -> None:
        self._owner, self._guest = owner, guest
        self._accounts = itertools.cycle(
            {"email": email, "password": password} for email in ACCOUNTS
        )
        self.seconds: list[float] = []
        self.answers: Counter[int] = Counter()

    async def order(self) -> None:
        began = time.perf_counter()
        answer = await place(self._owner, {"BENCH": 1})
        assert answer.status == 201, answer.body
        self.seconds.append(time.perf_counter() - began)

    async def login(self) -> None:
        self.answers[
            (await self._guest.post("/api/v1/users/login", next(self._accounts))).status
        ] += 1

    def taken(self) -> list[float]:
        """Return the seconds measured since the last call."""
        found, self.seconds = self.seconds, []
        return found


def percentile(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1]


async def measure(stack: Stack, options: argparse.Namespace) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as owner, stack.api(None) as guest:
        await new_product(operator, "BENCH", 1_000_000)
        meter = Meter(owner, guest, stack.secret("demo"))
        await paced(options.orders, WARM_UP_SECONDS, meter.order)
        meter.taken()
        alone: list[float] = []
        beside: list[float] = []
        ratios = []
        for turn in range(options.turns):
            await paced(options.orders, options.seconds, meter.order)
            alone += (without := meter.taken())
            signing_in = asyncio.create_task(paced(options.logins, options.seconds, meter.login))
            await paced(options.orders, options.seconds, meter.order)
            await signing_in
            beside += (with_them := meter.taken())
            slow, slower = percentile(without, 99), percentile(with_them, 99)
            ratios.append(slower / slow)
            print(
                f"turn {turn + 1}: p99 {slow * 1000:.1f} ms alone, "
                f"{slower * 1000:.1f} ms beside sign-ins"
            )
    print(f"sign-ins answered: {dict(meter.answers)}")
    for percent in (50, 99):
        slow, slower = percentile(alone, percent), percentile(beside, percent)
        print(
            f"p{percent} of all: {slow * 1000:.1f} ms alone, {slower * 1000:.1f} ms beside, "
            f"ratio {slower / slow:.2f}"
        )
    print(
        f"p99 ratio of the turns: median {statistics.median(ratios):.2f}, "
        f"{min(ratios):.2f} to {max(ratios):.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--orders", type=float, default=20.0, help="per second")
    parser.add_argument("--logins", type=float, default=50.0, help="per second")
    options = parser.parse_args()
    with own_stack(**NO_LIMITS) as stack:
        asyncio.run(measure(stack, options))
    print("the goal is a p99 ratio of at most 1.25")


if __name__ == "__main__":
    main()
