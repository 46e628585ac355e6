"""Limits the concurrent calls to one dependency. It runs in one thread, so nothing takes a lock."""

import asyncio
from collections import deque


class Bulkhead:
    """At most `limit` concurrent calls, and as many again in a queue.

    Further calls are refused, so that a slow dependency does not take its callers down.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, wait_seconds: float) -> bool:
        """Whether a place was free within `wait_seconds`; if so, call `leave` afterwards."""
        if self.inside < self.limit:
            self.inside += 1
            return True
        if len(self._waiting) >= self.limit:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(wait_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:  # this call got its place at the same moment
                self.leave()
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def leave(self) -> None:
        """Gives the place to the call that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.inside -= 1
