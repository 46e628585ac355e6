"""The live operations feed: `WS /console/api/feed` for staff, a Report per tick as JSON.

Everybody watching gets the same text, made once. Nothing is queued: whoever does not keep up is told the latest state
next, so a slow client costs no memory, and one that comes back needs nothing but the next report.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from prometheus_client import Gauge

from valerix.chassis.http.sockets import GONE, TRY_AGAIN_LATER, Places, Socket
from valerix.console.gather import Gathering
from valerix.console.report import report

PATH: Final = "/console/api/feed"
watching = Gauge("console_feed_connections_current", "Open connections to the operations feed")


class Feed:
    """The text of the present report."""

    def __init__(self, gathering: Gathering, calls: Sequence[tuple[str, str]], answer_window_seconds: float) -> None:
        self._gathering = gathering
        self._calls = calls
        self._answer_window_seconds = answer_window_seconds
        self._made_for = 0
        self._text = ""

    async def after(self, tick: int) -> tuple[int, str]:
        """The first report after that of `tick`, at once if there is one already."""
        current = await self._gathering.after(tick)
        if current != self._made_for:
            self._made_for = current
            now = report(self._gathering, self._calls, self._answer_window_seconds)
            self._text = msgspec.json.encode(now).decode()
        return current, self._text


async def serve(feed: Feed, places: Places, socket: Socket) -> None:
    """Everybody who was let in is told the same."""
    with places.one(socket.principal.subject):
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
