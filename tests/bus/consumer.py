"""A consumer in a process of its own that a test can kill.

Usage: `python -m tests.bus.consumer URL CONSUMER TOPIC FILE [hang]`. Writes a line per message to
FILE; with `hang` it never finishes the messages it received.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from valerix.chassis.messaging.bus.base import Delivery
from valerix.chassis.messaging.bus.connect import open_bus


async def run(url: str, consumer: str, topic: str, file: Path, hang: bool) -> None:
    async def handle(deliveries: Sequence[Delivery]) -> None:
        with file.open("a") as lines:
            lines.writelines(f"{delivery.message.id}\n" for delivery in deliveries)
        if hang:
            await asyncio.Event().wait()

    async with open_bus(url, "child") as bus:
        await bus.subscribe(consumer, [topic], handle)


@contextlib.asynccontextmanager
async def child(
    url: str, consumer: str, topic: str, file: Path, *mode: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Starts the consumer process; kills it, as by `kill -9`, on leaving."""
    command = [sys.executable, "-m", "tests.bus.consumer", url, consumer, topic, str(file), *mode]
    process = await asyncio.create_subprocess_exec(
        *command, env={"PYTHONPATH": "src"}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(
        run(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), "hang" in sys.argv[5:])
    )
