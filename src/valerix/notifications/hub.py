"""The WebSocket hub: every replica shows its clients the live events of all replicas.

The table is the source of truth and defines the order; Valkey only says "look now". So nothing is
lost or doubled while Valkey is down: clients are served by polling then. A client that reconnects
reads on from the last id it has seen.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager

from valerix.chassis.postgres.database import Database
from valerix.notifications import repository
from valerix.notifications.repository import LiveEvent

MAX_QUEUED = 256
"""Events kept in memory for one client; a client further behind reads from the table."""
PAGE = 200
MIN_PAUSE_SECONDS = 0.01
"""Pause after a wake-up and while events arrive; doubles up to POLL_SECONDS."""
POLL_SECONDS = 1.0


class Lagging(Exception):
    """The client is so far behind that the next events it needs are no longer kept."""


class Client:
    """One connected client. `owner`: the customer whose events it sees; None for all."""

    def __init__(self, owner: str | None) -> None:
        self.owner = owner
        self._overrun = False
        # A list, because an empty asyncio.Queue takes 3 KiB for every client.
        self._queued: list[tuple[int, str]] = []
        self._waiting: asyncio.Future[None] | None = None

    def offer(self, event: LiveEvent, text: str) -> None:
        """Queue an event.

        Events that arrive once the queue is full have to be read from the table.
        """
        if len(self._queued) >= MAX_QUEUED:
            self._overrun = True
        if not self._overrun:
            self._queued.append((event.id, text))
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> tuple[int, str] | None:
        """Waits for the next event: id and text. None once events are missing from the queue."""
        if not self._queued:
            if self._overrun:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._queued.pop(0)


class Hub:
    """The clients of this replica, and the last live event that they were shown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clients: dict[str | None, set[Client]] = {}
        self._position: int | None = None
        self._look = asyncio.Event()

    def wake(self) -> None:
        """Look at once: live events were written, or are about to be."""
        self._look.set()

    async def run(self) -> None:
        """Show clients new events. Runs until cancelled."""
        pause = MIN_PAUSE_SECONDS
        while True:
            found = await self._advance()
            pause = MIN_PAUSE_SECONDS if found else min(2 * pause, POLL_SECONDS)
            if found < PAGE and await self._woken_within(pause):
                pause = MIN_PAUSE_SECONDS / 2

    async def begin(self, last_event_id: int | None) -> tuple[int, bool]:
        """The id to continue after, and whether all events since `last_event_id` are still kept.

        Raises Unavailable. A client may be the first to look: a process that reports itself ready
        has not necessarily looked by itself yet.
        """
        first, last = await self._bounds()
        if not self._clients:
            self._position = last  # no client needs what is before
        if last_event_id is None:
            return last, True
        return min(last_event_id, last), first - 1 <= last_event_id <= last

    async def follow(self, owner: str | None, after: int) -> AsyncGenerator[str, None]:
        """Texts of the present and future events after `after` that `owner` may see; None: all.

        Each once and in order. A caller that is slow for a while is served from the table. Raises
        Lagging when the next event it needs is no longer kept.
        """
        last = after
        while True:
            async for event_id, text in self._written(owner, last):
                last = event_id
                yield text
            with self._joined(owner) as client:
                async for event_id, text in self._written(
                    owner, last
                ):  # written before the client joined
                    last = event_id
                    yield text
                while (event := await client.next()) is not None:
                    if event[0] > last:
                        last = event[0]
                        yield event[1]
            if last < (await self._bounds())[0] - 1:
                raise Lagging

    async def _written(self, owner: str | None, after: int) -> AsyncIterator[tuple[int, str]]:
        while True:
            async with self._database.connection() as connection:
                page = await repository.list_live_events(
                    connection, after=after, owner=owner, limit=PAGE
                )
            for event in page:
                yield event.id, _text(event)
            if len(page) < PAGE:
                return
            after = page[-1].id

    @contextmanager
    def _joined(self, owner: str | None) -> Iterator[Client]:
        """A client that is shown all events from now on, and perhaps again a few of before."""
        client = Client(owner)
        self._clients.setdefault(owner, set()).add(client)
        try:
            yield client
        finally:
            self._clients[owner].discard(client)
            if not self._clients[owner]:
                del self._clients[owner]

    async def _advance(self) -> int:
        """Show the events written since the last call; returns their number.

        Without clients there is nothing to look for: the first client moves the position up before
        it reads and joins.
        """
        if self._position is None:
            _, last = await self._bounds()
            if (
                self._position is None
            ):  # else a client was faster, and may need events before `last`
                self._position = last
        if not self._clients:
            return 0
        async with self._database.connection() as connection:
            page = await repository.list_live_events(
                connection, after=self._position, owner=None, limit=PAGE
            )
        for event in page:
            self._show(event)
            self._position = event.id
        return len(page)

    def _show(self, event: LiveEvent) -> None:
        text = _text(event)
        for owner in {None, event.owner}:
            for client in self._clients.get(owner, ()):
                client.offer(event, text)

    async def _bounds(self) -> tuple[int, int]:
        async with self._database.connection() as connection:
            return await repository.find_live_bounds(connection)

    async def _woken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._look.wait()
        except TimeoutError:
            return False
        self._look.clear()
        return True


def _text(event: LiveEvent) -> str:
    return f'{{"id":{event.id},{event.message[1:]}'
