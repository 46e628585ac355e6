"""The load generator of the overload tests waits for no answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from tests.support.eventually import eventually
from tests.support.open_loop import LOST, Shooter, Target
from tests.support.workers import free_port

REQUESTS, SECONDS = 20, 0.2
SHED = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"


class Slow:
    """A server that sends no answer until the test permits it, and then sends all immediately."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.waiting: list[asyncio.Transport] = []
        self.answering = False

    def answer(self) -> None:
        self.answering = True
        for transport in self.waiting:
            transport.write(SHED)


class Served(asyncio.Protocol):
    def __init__(self, slow: Slow) -> None:
        self._slow = slow
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._request += data
        if self._request.endswith(b"}]}"):
            self._slow.requests.append(self._request)
            self._request = b""
            self._transport.write(SHED) if self._slow.answering else self._slow.waiting.append(
                self._transport
            )


@asynccontextmanager
async def shooting(most: int) -> AsyncIterator[tuple[Slow, Shooter]]:
    slow, port = Slow(), free_port()
    server = await asyncio.get_running_loop().create_server(lambda: Served(slow), "127.0.0.1", port)
    async with (
        server,
        Shooter(Target(f"http://127.0.0.1:{port}", "t", "CUST-1", "P-1", "run"), most) as shooter,
    ):
        yield slow, shooter


async def test_it_sends_what_is_due_while_nothing_is_answered() -> None:
    async with shooting(REQUESTS) as (slow, shooter):
        phase = await shooter.at_rate(REQUESTS / SECONDS, SECONDS)

        async def all_there() -> bool:
            return len(slow.requests) == REQUESTS

        await eventually(all_there)
        assert phase.statuses == {LOST: REQUESTS}
        slow.answer()
        await shooter.answered()
        assert phase.statuses == {503: REQUESTS}
        assert all(shot.retry_after for shot in phase.shots)
        assert (
            len({request.split(b"Idempotency-Key: ")[1].split()[0] for request in slow.requests})
            == REQUESTS
        )
        assert (phase.unsent, phase.goodput()) == (0, 0)


async def test_what_finds_no_connection_is_counted() -> None:
    async with shooting(REQUESTS // 4) as (_, shooter):
        phase = await shooter.at_rate(REQUESTS / SECONDS, SECONDS)
    assert (len(phase.shots), phase.unsent) == (REQUESTS // 4, REQUESTS - REQUESTS // 4)
    assert phase.statuses == {LOST: REQUESTS // 4}


async def test_a_crowd_keeps_its_connections() -> None:
    async with shooting(REQUESTS) as (slow, shooter):
        slow.answer()
        phase = await shooter.at_once(3, SECONDS)
        assert len(phase.shots) >= 3
        assert len(shooter.connections) <= 3
        assert phase.statuses == {503: len(phase.shots)}
