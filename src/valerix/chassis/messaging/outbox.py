"""The transactional outbox: an event is published exactly if its facts were committed.

A use case writes one row per committed batch, in the statement of the facts. The relay selects the
rows that exist - never those "greater than the last one", which would lose rows that commit late.
It publishes each row as one message with a constant id, waits until the bus has it durably, and
deletes the row. After an interruption at any point it publishes again, and consumers recognise the
message. The rows of an aggregate were committed one after the other: the order of their ids is its
order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import groupby

import msgspec
import structlog
from asyncpg import Connection

from valerix.chassis.base import telemetry
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.chaos.points import Point
from valerix.chassis.messaging.bus.base import Bus, BusError, Message
from valerix.chassis.messaging.bus.connect import open_bus
from valerix.chassis.messaging.repository import RELAY, RelayRepository
from valerix.chassis.messaging.repository import Entry as Entry
from valerix.chassis.postgres.database import KEYED, Database
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts.events import BY_SOURCE, CONSUMERS, outgoing

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode

PUBLISHING, PUBLISHED, FORGOTTEN = (
    Point("relay.publishing"),
    Point("relay.published"),
    Point("relay.forgotten"),
)
POLL_SECONDS = 0.2
LINGER_SECONDS, LONGEST_LINGER_SECONDS = 0.03, 0.2
"""Rows committed this soon after the first leave together with it.

The more rows there were the last time, the longer the relay lingers: every consumer then has a
fraction of the work.
"""
STANDBY_SECONDS = 1.0
RETRY_SECONDS = 0.5
MAX_ROWS = 100


Load = Callable[[Connection, int], Awaitable[Sequence[Entry]]]
"""Loads the entries of the first outbox rows, at most the given number of rows.

They are in the order of the rows and of the entries within a row.
"""


async def open_relay(
    settings: ServiceSettings, resources: AsyncExitStack, source: str, load: Load
) -> "Relay":
    """The relay of the service `source`, with a bus and a connection of its own."""
    bus = await resources.enter_async_context(open_bus(settings.bus_url, settings.instance))
    database = await open_database(settings, resources, source, 1, KEYED)
    return Relay(database, bus, source, CONSUMERS[source], load)


class Relay:
    """Moves one service's outbox to the bus.

    Every replica runs a relay; the holder of the lock works.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        source: str,
        consumers: Sequence[str],
        load: Load,
        repository: RelayRepository = RELAY,
        *,
        topic: str = "",
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`topic`: the topic, if it is not named after the service."""
        self._database = database
        self.bus = bus
        self._source = source
        self._topic = topic or source
        self._prefix = f"{topic}-{source}" if topic else source
        self._poll_seconds = poll_seconds
        self._consumers = consumers
        self._load = load
        self._repository = repository
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Signals a commit in this process, so that the relay does not wait for the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Runs until cancelled. Reserves one connection of the database."""
        async with self._database.connection() as connection:
            while not await self._repository.lock(connection):  # noqa: ASYNC110 - in the database
                await asyncio.sleep(STANDBY_SECONDS)
            try:
                await self._relay(connection)
            finally:
                if not connection.is_closed():
                    await self._repository.unlock(connection)

    async def _relay(self, connection: Connection) -> None:
        declared = False
        while True:
            self._wake.clear()
            try:
                if not declared:
                    await self.bus.declare([self._topic], self._consumers)
                    declared = True
                moved = await self.move(connection)
            except BusError as error:
                log.warning("bus not available, events wait in the outbox", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                declared = False
                continue
            if not moved:
                await self._rest()
            elif moved < MAX_ROWS:
                await asyncio.sleep(min(moved * LINGER_SECONDS, LONGEST_LINGER_SECONDS))

    async def move(self, connection: Connection) -> int:
        """Publishes the first rows and deletes them once the bus has them.

        Returns the number of rows. Raises BusError.
        """
        entries = await self._load(connection, MAX_ROWS)
        rows = [
            (row_id, list(group))
            for row_id, group in groupby(entries, key=lambda entry: entry.row_id)
        ]
        messages = [message for row_id, group in rows if (message := self._message(row_id, group))]
        if messages:
            await PUBLISHING.passed()
            await self.bus.publish(messages)
            await PUBLISHED.passed()
        if rows:
            await self._repository.delete_rows(connection, [row_id for row_id, _ in rows])
            await FORGOTTEN.passed()
        return len(rows)

    def _message(self, row_id: int, entries: list[Entry]) -> Message | None:
        """The message of a row; None when the row holds no event of this topic."""
        events = [
            outgoing(
                self._source,
                e.name,
                e.subject,
                e.sequence,
                e.time,
                e.data,
                telemetry.traceparent(e.trace_id),
            )
            for e in entries
            if e.name in BY_SOURCE[self._topic]
        ]
        return Message(self._topic, f"{self._prefix}-{row_id}", _encode(events)) if events else None

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._wake.wait()
            await asyncio.sleep(LINGER_SECONDS)
        except TimeoutError:
            return
