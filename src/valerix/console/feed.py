"""The live operations feed: `WS /console/api/feed` for staff, a Report per tick as JSON.

Everybody watching gets the same text, made once. Nothing is queued: whoever does not keep up is told the latest state
next, so a slow client costs no memory, and one that comes back needs nothing but the next report.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import msgspec
from prometheus_client import Gauge

from valerix.chassis.problems import TooMany, Unavailable
from valerix.chassis.sockets import GONE, TRY_AGAIN_LATER, Socket
from valerix.console.gather import Gathering
from valerix.console.report import report

PATH: Final = "/console/api/feed"
MAX_PER_SUBJECT: Final = 32
watching = Gauge("console_feed_connections_current", "Open connections to the operations feed")


class TooManyFeeds(TooMany):
    code = "too_many_sockets"


class Feed:
    """The text of the present report, and the places for those who watch."""

    def __init__(self, gathering: Gathering, calls: Sequence[tuple[str, str]], max_clients: int) -> None:
        self._gathering = gathering
        self._calls = calls
        self._max_clients = max_clients
        self._subjects: Counter[str] = Counter()
        self._made_for = 0
        self._text = ""

    async def after(self, tick: int) -> tuple[int, str]:
        """The first report after that of `tick`, at once if there is one already."""
        current = await self._gathering.after(tick)
        if current != self._made_for:
            self._made_for = current
            self._text = msgspec.json.encode(report(self._gathering, self._calls)).decode()
        return current, self._text

    @contextmanager
    def admitted(self, subject: str) -> Iterator[None]:
        """A place for a connection of `subject`. Raises TooManyFeeds, Unavailable."""
        if self._subjects[subject] >= MAX_PER_SUBJECT:
            raise TooManyFeeds("Close some of your other connections first")
        if self._subjects.total() >= self._max_clients:
            raise Unavailable("This replica has no room for another connection")
        self._subjects[subject] += 1
        watching.inc()
        try:
            yield
        finally:
            watching.dec()
            self._subjects -= Counter([subject])  # forgets those at zero


async def serve(feed: Feed, socket: Socket) -> None:
    """Everybody who was let in is told the same."""
    with feed.admitted(socket.principal.subject):
        await socket.accept()
        await socket.serve(partial(_write, socket, feed))


async def _write(socket: Socket, feed: Feed) -> int | None:
    tick = 0
    try:
        while True:
            tick, text = await feed.after(tick)
            await socket.send(text)
    except TimeoutError:
        return TRY_AGAIN_LATER
    except GONE:
        return None
