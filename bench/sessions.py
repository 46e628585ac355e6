"""Measures the memory of a live session: each process with and without many people at the console.

    python -m bench.sessions [--sessions 500]

starts a stack of its own and opens both live connections of every session - the feed, and the
events - through the gateway. It ends with KiB per session.
"""

import argparse
import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

from tests.matrix.callers import Forger
from tests.support.stack import ADA, OPERATOR, Stack, new_product, own_stack, place
from websockets.asyncio.client import ClientConnection, connect

PATHS = ("/console/api/feed", "/ws")
SETTLE_SECONDS = 15.0
AT_ONCE = 20
WATCHED = ("console", "notifications", "gateway")


def memory(stack: Stack) -> dict[str, int]:
    """Return KiB by process, including its share of shared pages (PSS)."""
    found = {}
    for name in WATCHED:
        text = Path(f"/proc/{stack.pid(name)}/smaps_rollup").read_text()
        found[name] = int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0])
    return found


async def measure(stack: Stack, sessions: int) -> None:
    forger = Forger(await stack.token(OPERATOR), stack.data_dir / "secrets" / "users.jwk")
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada, AsyncExitStack() as opened:
        await new_product(operator, "BENCH", 1_000_000)
        turn = asyncio.Semaphore(AT_ONCE)

        async def open_session(number: int) -> None:
            """Open a session of its own person, because one person may open only a few."""
            token = forger.resigned(sub=f"bench-{number}")
            for path in PATHS:
                async with turn:
                    url = stack.url.replace("http", "ws") + path
                    headers = {"Authorization": f"Bearer {token}"}
                    socket = await opened.enter_async_context(
                        connect(
                            url,
                            additional_headers=headers,
                            proxy=None,
                            compression=None,
                            max_queue=None,
                        )
                    )
                reading.append(asyncio.create_task(_read(socket)))

        reading: list[asyncio.Task[None]] = []
        await open_session(0)
        await place(ada, {"BENCH": 1})
        await asyncio.sleep(SETTLE_SECONDS)
        before = memory(stack)
        await asyncio.gather(*(open_session(number) for number in range(1, sessions)))
        await place(ada, {"BENCH": 1})
        await asyncio.sleep(SETTLE_SECONDS)
        after = memory(stack)
        lost = sum(task.done() for task in reading)
        for task in reading:
            task.cancel()
    each = {name: (after[name] - before[name]) / (sessions - 1) for name in WATCHED}
    print(f"{sessions} sessions, {len(reading)} connections, {lost} of them lost")
    print(", ".join(f"{name} {kib:.1f} KiB" for name, kib in each.items()))
    total = each["console"] + each["notifications"]
    print(f"{total:.1f} KiB per session in console and notifications; the goal is at most 60")


async def _read(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    options = parser.parse_args()
    with own_stack() as stack:
        asyncio.run(measure(stack, options.sessions))


if __name__ == "__main__":
    main()
