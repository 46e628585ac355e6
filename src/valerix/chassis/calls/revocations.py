"""Ended sessions: their access tokens, though signed and not expired, are refused everywhere.

Every service follows the list of the service that keeps the sessions. While that service cannot be
reached, the last known list holds. A service that starts during that time has an empty list, until
the old tokens expire (after ten minutes at most).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
import structlog

from valerix.chassis.base.problems import Problem
from valerix.chassis.calls.client import CallFailed, HttpClient
from valerix.contracts.revocations import LIST_REVOKED, ListRevoked, RevokedSessions

log = structlog.get_logger()
POLL_SECONDS: Final = 1.0
KEEP_SECONDS: Final = 900.0
"""Longer than the lifetime of any access token."""
Fetch = Callable[[ListRevoked], Awaitable[RevokedSessions]]


class Revocations:
    """The ids of ended sessions (`session_id in revocations`), and the job that updates them."""

    def __init__(
        self, fetch: Fetch | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._until: dict[str, float] = {}

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._until

    def add(self, session_ids: Iterable[str]) -> None:
        """Adds sessions at once, without waiting for the list."""
        until = self._now() + KEEP_SECONDS
        self._until |= dict.fromkeys(session_ids, until)

    async def follow(self) -> None:
        """Follows the list until cancelled. A failure is logged once, not every second."""
        since, failing = None, False
        while self._fetch is not None:
            try:
                answer = await self._fetch(ListRevoked(since))
            except (CallFailed, Problem) as error:
                if not failing:
                    log.warning("list of ended sessions not available", error=str(error))
                failing = True
            else:
                self._forget_the_old()
                self.add(answer.session_ids)
                since, failing = answer.as_of, False
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.Event().wait()  # this service keeps the list

    def _forget_the_old(self) -> None:
        now = self._now()
        self._until = {
            session_id: until for session_id, until in self._until.items() if until > now
        }


def fetch_from(client: HttpClient) -> Fetch:
    """Fetches the list from the service behind `client`."""
    decoder = msgspec.json.Decoder(RevokedSessions)

    async def fetch(command: ListRevoked) -> RevokedSessions:
        return await client.post(LIST_REVOKED, command, decoder)

    return fetch
