"""Measures the processor time of an order with and without events, in turns.

    python -m bench.events [--turns 5] [--batches 25]

starts a stack of its own whose orders stay confirmed; run it from the repository on an otherwise
idle machine. Batches of 100 concurrent orders are placed at the orders service's own port. Without
events, the triggers that fill the outboxes are switched off. The processor time of the same stack
in as much time without orders is subtracted from both.
"""

import argparse
import asyncio
import statistics

import asyncpg
from tests.support.stack import ADA, OPERATOR, Stack, new_product, own_stack, place

from valerix.bench import usage

BATCH = 100
PRODUCTS = 300
PAUSE_SECONDS = 0.6
"""Time from the start of a batch to the next; long enough for its orders to be placed."""
DRAIN_SECONDS = 6.0
OUTBOXES = {"orders": "order_events", "payments": "payment_events", "inventory": "movements"}
CONSUMERS = ("notifications", "postgres: notifications", "worker")
NOT_COUNTED = ("benchmark", usage.LOAD)


class Meter:
    """Measures processor seconds by process; sessions of PostgreSQL count for their database."""

    def __init__(self, stack: Stack, server: asyncpg.Connection) -> None:
        self._stack = stack
        self._server = server

    async def sample(self) -> usage.Usage:
        sessions = await self._server.fetch(
            "SELECT pid, datname FROM pg_stat_activity WHERE datname IS NOT NULL"
        )
        pids = {name: self._stack.pid(name) for name in self._stack.state["processes"]}
        postmaster = pids.pop("postgres")
        return usage.sample(pids, postmaster, {row["pid"]: row["datname"] for row in sessions})


def superuser(stack: Stack, database: str) -> str:
    port = stack.state["ports"]["postgres"]
    return f"postgresql://postgres:{stack.secret('postgres')}@127.0.0.1:{port}/{database}"


async def switch(stack: Stack, *, on: bool) -> None:
    for database, table in OUTBOXES.items():
        connection = await asyncpg.connect(superuser(stack, database))
        await connection.execute(
            f"ALTER TABLE {table} {'ENABLE' if on else 'DISABLE'} TRIGGER put_into_outbox"
        )
        await connection.close()


async def measure(stack: Stack, turns: int, batches: int) -> None:
    server = await asyncpg.connect(superuser(stack, "postgres"))
    meter = Meter(stack, server)
    async with stack.api(OPERATOR) as operator, stack.at_service_port("orders", ADA) as owner:
        for number in range(PRODUCTS):
            await new_product(operator, f"BENCH-{number:03}", 1_000_000)

        async def batch() -> None:
            answers = await asyncio.gather(
                *(place(owner, {f"BENCH-{n % PRODUCTS:03}": 1}) for n in range(BATCH))
            )
            assert all(answer.status == 201 for answer in answers), {
                answer.status for answer in answers
            }

        async def run(count: int) -> dict[str, float]:
            """Place `count` batches; return seconds by process.

            Takes equally long for every `count`.
            """
            before = await meter.sample()
            due = asyncio.get_running_loop().time()
            for number in range(batches):
                if number < count:
                    await batch()
                due += PAUSE_SECONDS
                await asyncio.sleep(due - asyncio.get_running_loop().time())
            await asyncio.sleep(DRAIN_SECONDS)
            return usage.between(before, await meter.sample())

        async def turn(idle: dict[str, float], *, on: bool) -> dict[str, float]:
            """Return the microseconds that an order adds, by process."""
            await switch(stack, on=on)
            busy = await run(batches)
            return {
                name: (seconds - idle.get(name, 0.0)) / batches / BATCH * 1e6
                for name, seconds in busy.items()
                if name not in NOT_COUNTED
            }

        await run(batches)  # warm-up: plans, caches, statistics
        without, with_events = [], []
        for _ in range(turns):
            idle = await run(0)
            without.append(await turn(idle, on=False))
            with_events.append(await turn(idle, on=True))
    await server.close()
    report(without, with_events)


def report(without: list[dict[str, float]], with_events: list[dict[str, float]]) -> None:
    def median(turns: list[dict[str, float]], *names: str) -> float:
        return statistics.median(sum(turn.get(name, 0.0) for name in names) for turn in turns)

    names = sorted(with_events[0])
    print(f"{'µs per order':28}{'without':>10}{'with':>10}{'more':>10}")
    for name in names:
        before, after = median(without, name), median(with_events, name)
        print(f"{name:28}{before:10.0f}{after:10.0f}{after - before:10.0f}")
    for title, counted in (
        ("placing and publishing", [name for name in names if name not in CONSUMERS]),
        ("with notifications, worker", names),
    ):
        before, after = median(without, *counted), median(with_events, *counted)
        print(f"{title:28}{before:10.0f}{after:10.0f}{after / before - 1:10.0%}")
    print("the goal is at most 15 % more for placing and publishing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=25, help=f"of {BATCH} orders each, per turn")
    options = parser.parse_args()
    with own_stack(dwell_seconds="3600", max_in_flight="1000") as stack:
        asyncio.run(measure(stack, options.turns, options.batches))


if __name__ == "__main__":
    main()
