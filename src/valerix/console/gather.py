"""Reads health and metrics of every process each tick and keeps them: the source of the live feed.

Each replica of the console gathers for itself. All see the same counters, so they show the same.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec
import structlog

from valerix.chassis.calls.connections import Connections, Reply, TransferFailed
from valerix.chassis.http.health import CheckResult, Health
from valerix.console import readings
from valerix.console.faults import FaultWatch
from valerix.console.history import TICK_SECONDS, Ring
from valerix.console.readings import ALL, PLACING, ProcessReading

log = structlog.get_logger()
TIMEOUT_SECONDS: Final = 1.5
LONGEST_GAP_SECONDS: Final = 10.0
"""Longest time between two readings whose difference is shown; a longer gap stays a gap."""
KEPT_COUNTS: Final = 300
_WANTED: Final = [("scope", "frontend"), *(("name[]", name) for name in readings.WANTED)]
METRICS: Final = f"/metrics?{urlencode(_WANTED)}"
"""HAProxy filters by the scope, services by the names."""
_health = msgspec.json.Decoder(Health)


class Target(NamedTuple):
    """One copy of a process."""

    name: str
    process: str
    connections: Connections
    ready_path: str = "/ready"


def service_targets(urls: Mapping[str, Sequence[str]]) -> list[Target]:
    """The copies to read.

    `urls`: addresses of the copies by process; the second copy of `orders` is called `orders-2`.
    """
    return [
        Target(name if number == 1 else f"{name}-{number}", name, Connections(url))
        for name, copies in urls.items()
        for number, url in enumerate(copies, 1)
    ]


@dataclass
class Copy:
    """The last known state of one copy of a process."""

    target: Target
    status: str = "unknown"
    """`ok`, `draining`, `unavailable`, `down`, or `unknown` before the first answer."""
    checks: dict[str, CheckResult] = field(default_factory=dict)
    reading: ProcessReading | None = None
    read_at: float = 0.0
    fresh: dict[str, list[float]] = field(default_factory=dict)
    """Traffic since the previous reading; empty when there is none to compare with."""


class OrderCounts(NamedTuple):
    """Counters up to a tick.

    Orders placed by resulting status, over all copies; and products low in stock.
    """

    tick: int
    placed: dict[str, float]
    low_stock: float | None


class Gathering:
    """The current state of the platform and its last hour."""

    def __init__(self, targets: Sequence[Target], faults: FaultWatch) -> None:
        self._ended = asyncio.Event()
        """Set when the current round has ended."""
        self.copies = [Copy(target) for target in targets]
        self.faults = faults
        self.rings = {
            name: Ring() for name in [*dict.fromkeys(target.process for target in targets), PLACING]
        }
        self.counts: deque[OrderCounts] = deque(maxlen=KEPT_COUNTS)
        self.tick = 0

    async def run(self) -> None:
        """Start a round at the beginning of each tick. Runs until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS - time.time() % TICK_SECONDS)
            await self.round(round(time.time() / TICK_SECONDS))

    async def round(self, tick: int) -> None:
        """Query all processes concurrently; a process that does not answer in time is down.

        `tick`: the tick that begins now. The readings are kept under the one that has just ended.
        """
        await asyncio.gather(*(self._read(copy) for copy in self.copies), self.faults.look())
        self._keep(tick - 1)
        self.tick = tick - 1
        ended, self._ended = self._ended, asyncio.Event()
        ended.set()

    async def after(self, tick: int) -> int:
        """Waits until a round after `tick` has ended; returns its tick.

        A slow caller skips rounds.
        """
        while self.tick <= tick:
            await self._ended.wait()
        return self.tick

    async def _read(self, copy: Copy) -> None:
        target = copy.target
        (ready, metrics), now = (
            await asyncio.gather(
                _get(target.connections, target.ready_path), _get(target.connections, METRICS)
            ),
            time.monotonic(),
        )
        copy.status, copy.checks = _state(ready)
        copy.fresh = {}
        if metrics is None:
            return
        reading, elapsed = readings.read(metrics.body.decode()), now - copy.read_at
        if copy.reading is not None and elapsed <= LONGEST_GAP_SECONDS:
            copy.fresh = {
                name: readings.difference(traffic, copy.reading.traffic[name], elapsed)
                for name, traffic in reading.traffic.items()
            }
        copy.reading, copy.read_at = reading, now

    def _keep(self, tick: int) -> None:
        for name, ring in self.rings.items():
            series = PLACING if name == PLACING else ALL
            process = "orders" if name == PLACING else name
            rows = [copy.fresh[series] for copy in self.of(process) if copy.fresh]
            if rows:
                ring.put(tick, readings.together(rows))
        self.counts.append(
            OrderCounts(tick, self._placed(), self._value("inventory", "inventory_low_stock_items"))
        )

    def of(self, process: str) -> list[Copy]:
        """The copies of a process."""
        return [copy for copy in self.copies if copy.target.process == process]

    def _placed(self) -> dict[str, float]:
        placed: dict[str, float] = {}
        for copy in self.of("orders"):
            for status, count in (
                copy.reading.labeled["orders_created_total"] if copy.reading else {}
            ).items():
                placed[status] = placed.get(status, 0.0) + count
        return placed

    def _value(self, process: str, name: str) -> float | None:
        values = [
            copy.reading.values[name]
            for copy in self.of(process)
            if copy.reading and name in copy.reading.values
        ]
        return max(values, default=None)


async def _get(connections: Connections, path: str) -> Reply | None:
    try:
        return await connections.send("GET", path, {}, None, TIMEOUT_SECONDS)
    except (TransferFailed, TimeoutError):
        return None


def _state(answer: Reply | None) -> tuple[str, dict[str, CheckResult]]:
    if answer is None:
        return "down", {}
    try:
        health = _health.decode(answer.body)
    except msgspec.MsgspecError:  # the gateway answers in its own format
        return ("ok" if answer.status == 200 else "unavailable"), {}
    return health.status, health.checks
