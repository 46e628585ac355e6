"""A run: customers place orders, on schedule or as fast as answers arrive.

After that, the end of every order is examined.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any, Final, NamedTuple

from valerix.cli.load.placed import Placed
from valerix.cli.load.progress import watch
from valerix.cli.load.report import Affected, LatencySummary, LoadReport, contradiction, judge
from valerix.cli.load.schedule import Visit
from valerix.cli.load.stock import Shelves
from valerix.cli.load.tally import Tally
from valerix.cli.load.visiting import Shop
from valerix.client import AsyncValerix, ValerixError
from valerix.client.errors import NotFound

MAX_IN_FLIGHT: Final = 2000
"""Requests above this limit are queued. Latency is measured from the scheduled time."""
EXAMINED_AT_ONCE: Final = 16
"""Timelines that are read concurrently at the end."""


class Pace(NamedTuple):
    """The pace of a run: `rate` or `concurrency`.

    `rate`: orders per second, whatever the answers take. `concurrency`: orders at once, where each
    answer starts the next.
    """

    rate: float | None = None
    concurrency: int | None = None
    orders: int | None = None
    seconds: float = float("inf")
    settle_seconds: float = 120.0


class LoadRun:
    """One run of the load, from the first visit to the report."""

    def __init__(
        self, pace: Pace, shop: Shop, staff: AsyncValerix, shelves: Shelves | None, tally: Tally
    ) -> None:
        self._pace = pace
        self._shop = shop
        self._staff = staff
        self._shelves = shelves
        self._tally = tally
        self._visits: set[asyncio.Task[None]] = set()
        self._stage: asyncio.Task[None] | None = None
        self._affected: list[Affected] = []
        self._unexamined: dict[str, Placed] = {}
        self._interrupted = False

    def interrupt(self) -> None:
        """End the current stage: sending, waiting for open answers, or examining each order."""
        self._interrupted = True
        if self._stage is not None:
            self._stage.cancel()

    async def to_the_end(self, coming: Iterator[Visit], seed: int) -> LoadReport:
        """Run all stages and return the report.

        Raises ValerixError if the stock cannot be filled first.
        """
        if self._shelves is not None:
            await self._shelves.fill()
        started, cpu = time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as group:
            attendants = [group.create_task(watch(self._tally))]
            if self._shelves is not None:
                attendants.append(group.create_task(self._shelves.keep_full()))
            await self._do(group, self._send(group, coming, started))
            seconds = time.monotonic() - started
            await self._do(group, self._settle())
            cpu = time.process_time() - cpu
            for task in self._visits:  # orders must not change while they are examined
                task.cancel()
            self._unexamined = {placed.key: placed for placed in self._shop.placed}
            await self._do(group, self._examine())
            for task in attendants:
                task.cancel()
        return self._report(seed, seconds, cpu)

    async def _do(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        self._stage = group.create_task(work)
        await asyncio.wait([self._stage])

    async def _send(
        self, group: asyncio.TaskGroup, coming: Iterator[Visit], started: float
    ) -> None:
        pace, end = self._pace, started + self._pace.seconds
        slots = asyncio.Semaphore(pace.concurrency or MAX_IN_FLIGHT)
        for visit in itertools.islice(coming, pace.orders):
            due = started + visit.at
            await asyncio.sleep(min(due, end) - time.monotonic())
            await slots.acquire()
            due = due if pace.rate else time.monotonic()
            if due > end:
                return
            task = group.create_task(self._shop.visit(visit, due, slots))
            self._visits.add(task)
            task.add_done_callback(self._visits.discard)

    async def _settle(self) -> None:
        self._tally.stage = "  waiting for the last answers"
        deadline = time.monotonic() + self._pace.settle_seconds
        while self._visits and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(self._visits, timeout=left)

    # --- the outcome of each order

    async def _examine(self) -> None:
        times = Counter(placed.order_id for placed in self._shop.placed if placed.order_id)
        self._tally.violations += [
            f"{n} keys were answered with order {id_}" for id_, n in times.items() if n > 1
        ]
        waiting = iter(self._shop.placed)
        await asyncio.gather(*(self._examine_each(waiting) for _ in range(EXAMINED_AT_ONCE)))

    async def _examine_each(self, waiting: Iterator[Placed]) -> None:
        for placed in waiting:
            self._tally.stage = f"  examining the outcome of {len(self._unexamined)} orders"
            await self._examine_one(placed)

    async def _examine_one(self, placed: Placed) -> None:
        events = None
        if placed.order_id is not None:
            try:
                events = (await self._staff.orders.timeline(placed.order_id)).events
            except NotFound:
                self._tally.violations.append(
                    f"Order {placed.order_id} was acknowledged but does not exist"
                )
            except ValerixError:
                return
        del self._unexamined[placed.key]
        if wrong := contradiction(placed, events):
            self._tally.violations.append(wrong)
        if (affected := judge(placed, events)) is not None:
            self._affected.append(affected)

    def _report(self, seed: int, seconds: float, cpu: float) -> LoadReport:
        tally, placed = self._tally, self._shop.placed
        unseen = [
            found for one in self._unexamined.values() if (found := judge(one, None)) is not None
        ]
        unfinished = sum(one.status is None for one in placed)
        return LoadReport(
            ok=not (unfinished or self._unexamined or tally.violations),
            interrupted=self._interrupted,
            seed=seed,
            seconds=round(seconds, 3),
            orders=len(placed),
            orders_per_second=round(len(placed) / seconds, 2),
            answers=dict(tally.answers),
            followed=dict(tally.followed),
            reads=dict(tally.read_answers),
            order_latency=LatencySummary.of(tally.orders),
            read_latency=LatencySummary.of(tally.reads),
            lag=LatencySummary.of(tally.lag),
            client_cpu_seconds=round(cpu, 3),
            duplicates=tally.duplicates,
            restocked=tally.restocked,
            affected=sorted(self._affected + unseen, key=_by_number),
            unfinished=unfinished,
            unexamined=len(self._unexamined),
            violations=tally.violations,
        )


def _by_number(affected: Affected) -> tuple[int, str]:
    """Return a sort key: idempotency keys end with the number of the visit."""
    return len(affected.idempotency_key), affected.idempotency_key
