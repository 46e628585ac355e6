"""Sends each order when it is due, whether or not earlier ones were answered; cheap enough to
overload a stack.

A generator that waits for answers slows down with the system it measures, so it never offers much
more than the system can take.
"""

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self, cast
from urllib.parse import urlsplit

import httptools

CONNECTIONS = 2000
"""Maximum number of open connections: fewer than the gateway accepts from one address. A request
that finds no free connection is counted as unsent.
"""
LAST_ANSWER_SECONDS = 30.0
LOST = 0
"""Stands for a status: the connection ended without an answer, or the answer did not arrive in
time.
"""
ACCEPTED = (201, 202)
TURNED_AWAY_SECONDS = 0.1


class Target(NamedTuple):
    """The address where one customer orders one product, with idempotency keys that begin with
    `run`.
    """

    url: str
    token: str
    customer_id: str
    product_id: str
    run: str


@dataclass(slots=True)
class Shot:
    """One request. Times in seconds of the monotonic clock."""

    due: float
    sent: float = 0.0
    answered: float = 0.0
    status: int = LOST
    retry_after: bool = False
    """Whether the answer says when to send the request again (Retry-After)."""


@dataclass
class Phase:
    """The requests sent from `began` for `seconds`, with their results."""

    began: float
    seconds: float
    shots: list[Shot] = field(default_factory=list)
    unsent: int = 0

    @property
    def offered(self) -> float:
        """Requests a second."""
        return (len(self.shots) + self.unsent) / self.seconds

    @property
    def statuses(self) -> Counter[int]:
        return Counter(shot.status for shot in self.shots)

    @property
    def waits(self) -> list[float]:
        """Seconds from when each accepted order was due until its answer, ascending."""
        return sorted(shot.answered - shot.due for shot in self.shots if shot.status in ACCEPTED)

    @property
    def lateness(self) -> list[float]:
        """Seconds from when each request was due until it was sent, ascending."""
        return sorted(shot.sent - shot.due for shot in self.shots)

    def goodput(self, first: float = 0.0, last: float | None = None) -> float:
        """Returns orders per second whose acceptance arrived between these seconds of the phase."""
        begin, end = self.began + first, self.began + (self.seconds if last is None else last)
        accepted = (shot for shot in self.shots if shot.status in ACCEPTED)
        return sum(begin <= shot.answered < end for shot in accepted) / (end - begin)


class Shooter:
    """Connections to one target, for an `async with`. They are kept open; more are opened when all
    are busy.
    """

    def __init__(self, target: Target, most: int = CONNECTIONS) -> None:
        address = urlsplit(target.url)
        self._address = (cast(str, address.hostname), cast(int, address.port))
        items = [{"productId": target.product_id, "quantity": 1}]
        self._body = json.dumps({"customerId": target.customer_id, "items": items}).encode()
        self._target, self._most = target, most
        self._number = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._promised = 0
        """Connections that are being opened."""
        self.connections: set[Connection] = set()
        self.idle: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes all connections; requests still waiting for an answer get none."""
        for task in self._opening:
            task.cancel()
        for connection in self.connections:
            connection.abort()
        while self.connections:
            await asyncio.sleep(0)

    async def at_rate(self, per_second: float, seconds: float) -> Phase:
        """Sends evenly spaced requests. Returns when the time is over; answers may still arrive,
        see `answered`.
        """
        phase = Phase(time.monotonic(), seconds)
        for number in range(int(per_second * seconds)):
            due = phase.began + number / per_second
            await asyncio.sleep(
                due - time.monotonic()
            )  # yields also when it is late, so that answers are read
            self._fire(phase, Shot(due))
        await asyncio.sleep(phase.began + seconds - time.monotonic())
        return phase

    async def at_once(self, crowd: int, seconds: float) -> Phase:
        """Runs `crowd` senders, each of which sends its next request after an answer: this measures
        the capacity.
        """
        phase = Phase(time.monotonic(), seconds)

        async def keep_asking() -> None:
            while (now := time.monotonic()) < phase.began + seconds:
                self._fire(phase, shot := Shot(now), answered := asyncio.Event())
                await answered.wait()
                if shot.status not in ACCEPTED:  # a refused sender waits before its next request
                    await asyncio.sleep(TURNED_AWAY_SECONDS)

        await asyncio.gather(*(keep_asking() for _ in range(crowd)))
        return phase

    async def answered(self) -> None:
        """Waits until every request is answered or has timed out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWER_SECONDS):
                while self._opening or len(self.idle) < len(self.connections):
                    await asyncio.sleep(0.05)

    def _fire(self, phase: Phase, shot: Shot, answered: asyncio.Event | None = None) -> None:
        if not self.idle and len(self.connections) + self._promised >= self._most:
            phase.unsent += 1
            if answered is not None:
                answered.set()
            return
        phase.shots.append(shot)
        self._number += 1
        head = (
            f"POST /api/v1/orders HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"Authorization: Bearer {self._target.token}\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {self._target.run}-{self._number}\r\n"
            f"Content-Length: {len(self._body)}\r\n\r\n"
        )
        exchange = Exchange(shot, head.encode() + self._body, answered)
        if self.idle:
            self.idle.pop().send(exchange)
            return
        self._promised += 1
        task = asyncio.create_task(self._connect(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, exchange: "Exchange") -> None:
        try:
            _, opened = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), *self._address
            )
        except OSError:
            self._promised -= 1
            exchange.end(LOST)
            return
        opened.send(exchange)

    def made(self, connection: "Connection") -> None:
        """Moves an opened connection from the pending ones to `connections`."""
        self._promised -= 1
        self.connections.add(connection)


class Exchange(NamedTuple):
    """One request that waits for its answer."""

    shot: Shot
    request: bytes
    answered: asyncio.Event | None

    def end(self, status: int) -> None:
        self.shot.answered, self.shot.status = time.monotonic(), status
        if self.answered is not None:
            self.answered.set()


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self, shooter: Shooter) -> None:
        self._shooter = shooter
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None

    def send(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.shot.sent = time.monotonic()
        self._transport.write(exchange.request)

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shooter.made(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if name.lower() == b"retry-after" and self._exchange is not None:
            self._exchange.shot.retry_after = True

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._end(self._parser.get_status_code())
        if self._parser.should_keep_alive():
            self._shooter.idle.append(self)
        else:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._shooter.connections.discard(self)
        if self in self._shooter.idle:
            self._shooter.idle.remove(self)
        self._end(LOST)

    def _end(self, status: int) -> None:
        if self._exchange is not None:
            self._exchange.end(status)
            self._exchange = None
