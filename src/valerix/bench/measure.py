"""One run of one cell: the load, its costs, and the resource that limited it."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from asyncpg.connection import Connection

from valerix.bench import catalogue, counters, limits, load, usage
from valerix.bench.ceiling import CLIENTS, SCRIPTS, Ceiling
from valerix.bench.drain import Drained
from valerix.bench.load import Load
from valerix.bench.peers import PeerProgram
from valerix.bench.results import (
    CEILING,
    GATEWAY,
    SERVICE_PORT,
    Costs,
    LatencyQuantiles,
    RunResult,
    name_of,
)
from valerix.bench.stack import HOT, BenchStack

NEGLIGIBLE_US: Final = 0.5
"""Cost per order below which a process is not shown."""
FIRST_GUESS: Final = 2500.0
"""Orders per second that the first run has customers for."""
SURPLUS: Final = 1.5
"""A run has customers for this multiple of the orders of the fastest run before it …"""
CEILING_SHARE: Final = 0.75
"""… and for at least this share of the ceiling: other programs may have slowed earlier runs."""
HOT_PATTERN, PACED = "hot", "paced"


class CellPlan(NamedTuple):
    """A cell to measure.

    `per_second`: target rate in orders per second; None: as many as possible.
    """

    system: str
    connections: int
    pattern: str = "uniform"
    per_second: float | None = None

    @property
    def name(self) -> str:
        return name_of(self.system, self.connections, self.pattern)


class Bench:
    """Stack, ceiling and peers of a benchmark, and the figures that later runs depend on."""

    def __init__(
        self,
        stack: BenchStack,
        server: Connection,
        ceiling: Ceiling,
        peers: Mapping[str, PeerProgram],
        *,
        cores: int,
        drain_seconds: float,
    ) -> None:
        """`server`: as superuser. `drain_seconds`: longest wait for a run's orders to complete."""
        self.stack = stack
        self._server = server
        self._ceiling = ceiling
        self._peers = peers
        self._cores = cores
        self._drain_seconds = drain_seconds
        self._numbers = itertools.count(1)
        self._last_ceiling: float | None = None
        self._fastest: float | None = None
        self.idle_ms: dict[str, float] = {}

    async def measure_idle(self, seconds: float) -> None:
        """Measure the idle stack: milliseconds of processor time per second, by process."""
        before = await self.stack.sample(self._server, {})
        await asyncio.sleep(seconds)
        after = await self.stack.sample(self._server, {})
        used = _of_stack(usage.between(before, after))
        self.idle_ms = {
            name: value * 1e3 / (after.at - before.at) for name, value in used.items() if value > 0
        }

    def customers_for(self, cell: CellPlan, seconds: float) -> int:
        """Return the customers that a run may need, by the fastest run and the last ceiling."""
        expected = max(SURPLUS * (self._fastest or 0), CEILING_SHARE * (self._last_ceiling or 0))
        per_second = cell.per_second or expected or FIRST_GUESS
        return load.customers_for(per_second * seconds, cell.connections)

    async def run(self, cell: CellPlan, number: int, seconds: float) -> RunResult:
        """Run the load of a cell and measure it. `number`: of the round. Raises LauncherError."""
        if cell.system in SCRIPTS:
            return await self._run_ceiling(cell, number, seconds)
        others = {name: pid for peer in self._peers.values() for name, pid in peer.pids.items()}
        wanted = await self._load(cell, seconds)
        await asyncio.sleep(counters.SETTLE_SECONDS)
        counted = await counters.read(self._server, self.stack.service_ports)
        before = await self.stack.sample(self._server, others)
        stop = asyncio.Event()
        waiting = asyncio.create_task(counters.waits(self.stack.superuser_url, stop))
        try:
            outcome = await load.send(wanted)
            after = await self.stack.sample(self._server, others)
        finally:
            stop.set()
            waits = await waiting
        drained = Drained(after.at, 0)
        if cell.system not in self._peers:
            drained = await self.stack.drained(self._drain_seconds)
        await asyncio.sleep(counters.SETTLE_SECONDS)
        settled = await self.stack.sample(self._server, others)
        steps = counters.between(
            counted, await counters.read(self._server, self.stack.service_ports)
        )
        lasted = after.at - before.at
        busy = {
            name: used / lasted
            for name, used in usage.between(before, after).items()
            if used / lasted > 0.005
        }
        machine = (after.machine - before.machine) / lasted
        reached = outcome.placed / outcome.seconds
        self._fastest = max(self._fastest or 0, reached)
        idle_us = {
            name: each * 1e3 * (settled.at - before.at) for name, each in self.idle_ms.items()
        }
        return RunResult(
            cell=cell.name,
            round=number,
            orders_per_second=reached,
            ratio=self._ratio(reached),
            latency=outcome.latency,
            statuses=outcome.statuses,
            lost=outcome.lost + outcome.timeouts,
            costs=_costs(usage.between(before, settled), idle_us, steps, outcome.placed),
            busy_cores=busy,
            machine_cores=machine,
            waits=waits,
            drain_seconds=drained.at - after.at,
            backlog=drained.backlog,
            exhausted=limits.exhausted(self._cores, machine, busy, waits, cell.connections),
            orders=outcome.placed,
            load_seconds=outcome.seconds,
            returning=None if cell.system in self._peers else outcome.returning,
        )

    async def _run_ceiling(self, cell: CellPlan, number: int, seconds: float) -> RunResult:
        before = await self.stack.sample(self._server, {})
        reached = await self._ceiling.reach(cell.system, seconds)
        after = await self.stack.sample(self._server, {})
        lasted = after.at - before.at
        used = usage.between(before, after)
        if cell.system == CEILING:
            self._last_ceiling = reached.per_second
        busy = {name: value / lasted for name, value in used.items() if value / lasted > 0.005}
        machine = (after.machine - before.machine) / lasted
        # The ceiling's cost leaves out pgbench itself, as the stack's cost leaves out wrk.
        server_us = {
            name: value * 1e6 / (reached.per_second * seconds) for name, value in used.items()
        }
        costs = Costs(
            {n: v for n, v in server_us.items() if n.startswith("postgres")},
            {},
            {},
            {},
            0,
            0,
            0,
            {},
        )
        return RunResult(
            cell=cell.name,
            round=number,
            orders_per_second=reached.per_second,
            ratio=self._ratio(reached.per_second),
            latency=LatencyQuantiles(reached.latency_ms, 0, 0, 0),
            costs=costs,
            busy_cores=busy,
            machine_cores=machine,
            exhausted=limits.exhausted(self._cores, machine, busy, {}, CLIENTS),
        )

    def _ratio(self, per_second: float) -> float | None:
        return per_second / self._last_ceiling if self._last_ceiling else None

    async def _load(self, cell: CellPlan, seconds: float) -> Load:
        hot = cell.pattern == HOT_PATTERN
        if peer := self._peers.get(cell.system):
            first, products = (1, 1) if hot else (1, catalogue.PRODUCTS)
            return Load(
                peer.port, "", cell.connections, seconds, products, first, path="/orders", peer=True
            )
        return Load(
            port={GATEWAY: self.stack.gateway_port, SERVICE_PORT: self.stack.service_port}[
                cell.system
            ],
            run=self._unique(),
            connections=cell.connections,
            seconds=seconds,
            products=1 if hot else catalogue.PRODUCTS,
            first=HOT if hot else 1,
            tokens=await self.stack.new_customers(self.customers_for(cell, seconds)),
            per_second=cell.per_second,
        )

    async def sell_out(self, units: int, connections: int, seconds: float) -> str:
        """Send orders of many customers for a scarce product.

        Return in words how many units were sold.
        """
        product = await self.stack.scarce_product(units)
        count = self.customers_for(CellPlan(GATEWAY, connections), seconds)
        outcome = await load.send(
            Load(
                port=self.stack.gateway_port,
                run=self._unique(),
                connections=connections,
                seconds=seconds,
                products=1,
                first=product,
                tokens=await self.stack.new_customers(count),
                extra=',"onShortage":"reject"',
            )
        )
        await self.stack.drained(self._drain_seconds)
        sold = units - await self.stack.units_left(product)
        answered = sum(outcome.statuses.values())
        refused = outcome.statuses.get("409", 0)
        return f"{sold} of {units} units sold in {answered} requests, {refused} refused as sold out"

    def _unique(self) -> str:
        return f"bench-{time.time_ns():x}-{next(self._numbers)}"


def _of_stack(used: Mapping[str, float]) -> dict[str, float]:
    return {
        name: value for name, value in used.items() if name not in (usage.LOAD, usage.BENCHMARK)
    }


def _costs(
    used: Mapping[str, float], idle_us: Mapping[str, float], steps: counters.Steps, orders: int
) -> Costs | None:
    """Return the costs per order; None without orders.

    `used`: processor seconds by process. `idle_us`: those of the idle stack in the same time, in
    microseconds.
    """
    if not orders:
        return None

    def each(values: Mapping[str, float], least: float = 0.005) -> dict[str, float]:
        return {name: value / orders for name, value in values.items() if value / orders > least}

    return Costs(
        cpu_us=each(
            {name: seconds * 1e6 for name, seconds in _of_stack(used).items()}, NEGLIGIBLE_US
        ),
        statements=each(steps.statements),
        commits=each(steps.commits),
        requests=each(steps.requests),
        wal_bytes=steps.wal_bytes / orders,
        page_images=steps.page_images / orders,
        fsyncs=steps.fsyncs / orders,
        batches=steps.batch_means,
        idle_us=each(idle_us, NEGLIGIBLE_US),
    )
