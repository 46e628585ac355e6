"""Wakes every replica through Valkey when there are new live events.

Without Valkey the replicas poll.
"""

import asyncio
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from valerix.notifications.hub import Hub

log = structlog.get_logger()
CHANNEL: Final = "valerix:notifications:live"
RETRY_SECONDS: Final = 1.0


class Wakeups:
    """Wakes the hubs of all replicas."""

    def __init__(self, valkey: Redis, hub: Hub) -> None:
        self._valkey = valkey
        self._hub = hub
        self._pending = asyncio.Event()

    def announce(self) -> None:
        """Live events are about to be committed here; many announcements become one."""
        self._hub.wake()
        self._pending.set()

    async def publish(self) -> None:
        """Publish announcements to all replicas. Runs until cancelled."""
        while True:
            await self._pending.wait()
            self._pending.clear()
            try:
                await self._valkey.publish(CHANNEL, b"")
            except (RedisError, OSError):
                log.warning("valkey not available, other replicas see live events by polling")
                await asyncio.sleep(RETRY_SECONDS)

    async def listen(self) -> None:
        """Wake the hub of this replica when any replica announces. Runs until cancelled."""
        while True:
            try:
                async with self._valkey.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    async for _ in channel.listen():
                        self._hub.wake()
            except (RedisError, OSError):
                await asyncio.sleep(RETRY_SECONDS)
