"""Periodic work of the users service. Any number of replicas share it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from valerix.users.audit import AuditTrail
from valerix.users.mails import AccountMails
from valerix.users.sessions import Sessions

MEASURE_SECONDS = 5.0
PRUNE_SECONDS = 3600.0


def periodic(
    sessions: Sessions, trail: AuditTrail, mails: AccountMails
) -> list[Callable[[], Awaitable[None]]]:
    return [partial(measure, sessions), partial(prune, sessions, trail, mails)]


async def measure(sessions: Sessions) -> None:
    """Keep the gauge of live sessions current. Never returns."""
    while True:
        await sessions.measure()
        await asyncio.sleep(MEASURE_SECONDS)


async def prune(sessions: Sessions, trail: AuditTrail, mails: AccountMails) -> None:
    """Delete ended sessions, old audit entries and expired mail tokens. Never returns."""
    while True:
        await sessions.forget_ended()
        await trail.forget_old()
        await mails.forget_expired()
        await asyncio.sleep(PRUNE_SECONDS)
