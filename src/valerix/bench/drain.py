"""Waits for the end of a load: every order has ended, and all work that orders caused is done."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from asyncpg.connection import Connection
from redis.asyncio import Redis

from valerix.contracts.states import NotificationStatus, sql

POLL_SECONDS: Final = 0.25
OUTBOXES: Final = ("orders", "payments", "inventory", "users")
DATABASES: Final = (*OUTBOXES, "notifications")
STREAMS: Final = "bus:*"
COUNTED: Final = 1000
"""Largest number of unacknowledged publications to count for each consumer.

The exact excess is irrelevant.
"""


class Drained(NamedTuple):
    """The result of a wait.

    `at`: when no work was left, or when the wait ended; seconds of the monotonic clock. `backlog`:
    orders, outbox rows, unread publications and messages that were left then.
    """

    at: float
    backlog: int


async def drain(
    databases: Mapping[str, Connection], valkey: Redis | None, timeout_seconds: float
) -> Drained:
    """Wait until no work is left. `valkey`: the event bus, if it consists of Valkey streams."""
    started = time.monotonic()
    quiet_since: float | None = None
    while True:
        looked_at = time.monotonic()
        left = await _count_left(databases, valkey)
        if not left and quiet_since is not None:
            return Drained(quiet_since, 0)
        if looked_at - started > timeout_seconds:
            return Drained(looked_at, left)
        # One look may miss the work that a consumer causes upstream: a second one confirms it.
        quiet_since = None if left else looked_at
        await asyncio.sleep(POLL_SECONDS)


async def _count_left(databases: Mapping[str, Connection], valkey: Redis | None) -> int:
    """Count the work that is left. Held orders do not count.

    Each place is counted before the place its work moves to, so that no work is missed.
    """
    left: int = await databases["orders"].fetchval(
        """
        SELECT count(*) FROM orders
        WHERE due_at IS NOT NULL AND error_code IS DISTINCT FROM 'insufficient_stock'
        """
    )
    for name in OUTBOXES:
        left += await databases[name].fetchval("SELECT count(*) FROM outbox")
    if valkey is not None:
        left += await _count_unread(valkey)
    # Messages beyond the hourly limit of a recipient wait for the next hour.
    left += await databases["notifications"].fetchval(
        f"""
        SELECT count(*) FROM notifications
        WHERE status = {sql(NotificationStatus.QUEUED)}
          AND next_attempt_at < now() + interval '1 minute'
        """
    )
    return left


async def _count_unread(valkey: Redis) -> int:
    """Count unacknowledged publications, plus one for each consumer with unread publications."""
    left = 0
    async for stream in valkey.scan_iter(STREAMS, _type="stream"):
        last = (await valkey.xinfo_stream(stream))["last-generated-id"]
        for group in await valkey.xinfo_groups(stream):
            left += len(
                await valkey.xpending_range(stream, group["name"], min="-", max="+", count=COUNTED)
            )
            left += group["last-delivered-id"] != last
    return left
