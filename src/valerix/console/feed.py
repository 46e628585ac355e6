"""The live operations feed: `WS /console/api/feed` for staff, a PlatformReport per tick as JSON.

All viewers get the same text, made once. Nothing is queued: a slow client gets the latest state
next, so it costs no memory, and a client that reconnects needs nothing but the next report.
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
    """The current report as text, made once per tick for all viewers."""

    def __init__(
        self, gathering: Gathering, calls: Sequence[tuple[str, str]], answer_window_seconds: float
    ) -> None:
        self._gathering = gathering
        self._calls = calls
        self._answer_window_seconds = answer_window_seconds
        self._made_for = 0
        self._text = ""

    async def after(self, tick: int) -> tuple[int, str]:
        """Waits for the first report after that of `tick`.

        Returns at once if there is one already.
        """
        current = await self._gathering.after(tick)
        if current != self._made_for:
            self._made_for = current
            now = report(self._gathering, self._calls, self._answer_window_seconds)
            self._text = msgspec.json.encode(now).decode()
        return current, self._text


async def serve(feed: Feed, places: Places, socket: Socket) -> None:
    """Serves one connection: every admitted viewer gets the same reports."""
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
