"""A consumer inside the test that records the messages it receives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from tests.support.eventually import until
from valerix.chassis.messaging.bus.base import Bus, Delivery, Message

ACKNOWLEDGED_SECONDS = 0.05
"""Time until handled messages are acknowledged: a few turns of the event loop.

A consumer that leaves earlier receives them again.
"""


class Received:
    """A handler. It fails while `failing` is set."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.failures: list[list[str]] = []
        self.failing = False

    @property
    def ids(self) -> list[str]:
        return [delivery.message.id for delivery in self.deliveries]

    async def __call__(self, deliveries: Sequence[Delivery]) -> None:
        if self.failing:
            self.failures.append([delivery.message.id for delivery in deliveries])
            raise RuntimeError("fails on request")
        self.deliveries += deliveries

    async def at_least(self, count: int) -> None:
        await until(lambda: len(self.deliveries) >= count)


@contextlib.asynccontextmanager
async def consuming(bus: Bus, consumer: str, *topics: str) -> AsyncIterator[Received]:
    received = Received()
    task = asyncio.create_task(bus.subscribe(consumer, topics, received))
    try:
        yield received
        await asyncio.sleep(ACKNOWLEDGED_SECONDS)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def messages(topic: str, *numbers: int) -> list[Message]:
    return [Message(topic, f"{topic}-{number}", b'[{"number": %d}]' % number) for number in numbers]


def ids(topic: str, *numbers: int) -> list[str]:
    return [message.id for message in messages(topic, *numbers)]
