"""What events add to placing orders: processor time per order, with and without them, in turns.

    python -m bench.events [--turns 5] [--batches 25]

starts a stack of its own whose orders stay confirmed; run it from the repository on a machine that does nothing else.
Batches of 100 orders are placed at once at the orders service's door. Without events the triggers that fill the
outboxes are switched off. What the same stack uses in as much time without orders is subtracted from both.
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
"""From the beginning of a batch to that of the next; enough for it to be placed."""
DRAIN_SECONDS = 6.0
OUTBOXES = {"orders": "order_events", "payments": "payment_events", "inventory": "movements"}
LISTENING = ("notifications", "postgres: notifications", "worker")
NOBODY = ("benchmark", usage.LOAD)


class Meter:
    """Processor seconds by process while something runs; sessions of PostgreSQL count for their database."""

    def __init__(self, stack: Stack, server: asyncpg.Connection) -> None:
        self._stack = stack
        self._server = server

    async def sample(self) -> usage.Usage:
        sessions = await self._server.fetch("SELECT pid, datname FROM pg_stat_activity WHERE datname IS NOT NULL")
        pids = {name: self._stack.pid(name) for name in self._stack.state["processes"]}
        postmaster = pids.pop("postgres")
        return usage.sample(pids, postmaster, {row["pid"]: row["datname"] for row in sessions})


def superuser(stack: Stack, database: str) -> str:
    port = stack.state["ports"]["postgres"]
    return f"postgresql://postgres:{stack.secret('postgres')}@127.0.0.1:{port}/{database}"


async def switch(stack: Stack, *, on: bool) -> None:
    for database, table in OUTBOXES.items():
        connection = await asyncpg.connect(superuser(stack, database))
        await connection.execute(f"ALTER TABLE {table} {'ENABLE' if on else 'DISABLE'} TRIGGER put_into_outbox")
        await connection.close()


async def measure(stack: Stack, turns: int, batches: int) -> None:
    server = await asyncpg.connect(superuser(stack, "postgres"))
    meter = Meter(stack, server)
    async with stack.api(OPERATOR) as operator, stack.at_service_port("orders", ADA) as owner:
        for number in range(PRODUCTS):
            await new_product(operator, f"BENCH-{number:03}", 1_000_000)

        async def batch() -> None:
            answers = await asyncio.gather(*(place(owner, {f"BENCH-{n % PRODUCTS:03}": 1}) for n in range(BATCH)))
            assert all(answer.status == 201 for answer in answers), {answer.status for answer in answers}

        async def run(count: int) -> dict[str, float]:
            """Seconds by process; in as much time whatever `count` is."""
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
            """Microseconds an order adds, by process."""
            await switch(stack, on=on)
            busy = await run(batches)
            return {
                name: (seconds - idle.get(name, 0.0)) / batches / BATCH * 1e6
                for name, seconds in busy.items()
                if name not in NOBODY
            }

        await run(batches)  # plans, caches, statistics
        without, told = [], []
        for _ in range(turns):
            idle = await run(0)
            without.append(await turn(idle, on=False))
            told.append(await turn(idle, on=True))
    await server.close()
    report(without, told)


def report(without: list[dict[str, float]], told: list[dict[str, float]]) -> None:
    def median(turns: list[dict[str, float]], *names: str) -> float:
        return statistics.median(sum(turn.get(name, 0.0) for name in names) for turn in turns)

    names = sorted(told[0])
    print(f"{'µs per order':28}{'without':>10}{'with':>10}{'more':>10}")
    for name in names:
        before, after = median(without, name), median(told, name)
        print(f"{name:28}{before:10.0f}{after:10.0f}{after - before:10.0f}")
    for title, counted in (
        ("placing and publishing", [name for name in names if name not in LISTENING]),
        ("with notifications, worker", names),
    ):
        before, after = median(without, *counted), median(told, *counted)
        print(f"{title:28}{before:10.0f}{after:10.0f}{after / before - 1:10.0%}")
    print("the goal is at most 15 % more for placing and publishing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batches", type=int, default=25, help=f"of {BATCH} orders each, per turn")
    asked = parser.parse_args()
    with own_stack(dwell_seconds="3600", max_in_flight="1000") as stack:
        asyncio.run(measure(stack, asked.turns, asked.batches))


if __name__ == "__main__":
    main()
