"""The bus on Valkey (or Redis ≥ 7.2) streams: a stream per topic, a consumer group per consumer.

Durable means the server's own append-only file is synced (WAITAOF). With `appendfsync everysec`
that takes up to a second, so several publications should be in flight at once. Consumers do not
wait for it. Publications enter the streams in the order of the calls, and when one fails, those
waiting behind it fail, too.

A stream has no notion of Unroutable: it keeps messages without any group, and a group declared
later starts with the oldest message.

Of the processes of a consumer, the holder of the lease reads. A stream drops what every group has
acknowledged, never more. When the memory limit is reached, publishing raises BusUnavailable until
consumers catch up.
"""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from valerix.chassis.messaging.bus.base import BusUnavailable, Delivery, Handler, Message
from valerix.chassis.messaging.bus.delivery import Publications, follow, handled, until_one_ends

BATCH = 32
BLOCK_MS = 2000
"""Shorter than the lease: a process that froze while it waited gets nothing after a takeover."""
LEASE_MS = 5000
RENEW_SECONDS = 1.0
STANDBY_SECONDS = 0.5
TRIM_SECONDS = 1.0
LOOK_BACK_SECONDS = 1.0
DURABLE_WITHIN_MS = 5000
IN_FLIGHT = 16
TIMEOUT_SECONDS = 10.0
"""Longer than any command blocks."""

TAKE = """#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""  # allow-oom: when memory is full, only a consumer can free it
RELEASE = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)

log = structlog.get_logger()


class ValkeyStreams:
    """See messaging.bus.base.Bus. `instance` names this process in the server's consumer lists."""

    def __init__(self, url: str, instance: str) -> None:
        self._redis = Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),  # follow() retries
            socket_timeout=None,  # redis-py's own time-out loses cancellations on Python 3.11
            socket_connect_timeout=2.0,
        )
        self._instance = instance or "unnamed"
        self._consumers: dict[str, set[str]] = defaultdict(set)
        self._trim_at: dict[str, float] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._publications = Publications()
        self._warned = False

    async def close(self) -> None:
        await self._redis.aclose()

    async def check(self) -> None:
        async with _bounded():
            await self._redis.ping()

    async def declare(self, topics: Sequence[str], consumers: Sequence[str]) -> None:
        async with _bounded():
            for topic in topics:
                self._consumers[topic].update(consumers)
                await self._create_groups(
                    topic, set(consumers) - (await self._groups(topic)).keys()
                )

    async def publish(self, messages: Sequence[Message]) -> None:
        with self._publications.one() as turn:
            async with self._slots, _bounded(), AsyncExitStack() as stack:
                async with turn:  # the wait for the disk happens outside
                    for topic in {message.topic for message in messages}:
                        await self._trim(topic)
                    connection = await stack.enter_async_context(self._connection())
                    await _add(connection, messages)
                await self._synced(connection)

    async def subscribe(self, consumer: str, topics: Sequence[str], handle: Handler) -> None:
        await until_one_ends(*(self._follow(consumer, topic, handle) for topic in topics))

    async def _follow(self, consumer: str, topic: str, handle: Handler) -> None:
        async def consume() -> None:
            lease = Lease(self._redis, f"{_stream(topic)}:lease:{consumer}")
            await lease.wait()
            log.info("consuming", consumer=consumer, topic=topic)
            try:
                await until_one_ends(lease.keep(), self._consume(consumer, topic, handle))
            finally:
                await lease.release()

        await follow(consumer, topic, consume)

    async def _consume(self, consumer: str, topic: str, handle: Handler) -> None:
        await self.declare([topic], [consumer])
        look_back_at = 0.0
        while True:
            deliveries: list[tuple[bytes, Delivery]] = []
            async with _bounded():
                if time.monotonic() >= look_back_at:
                    # Only the holder of the lease gets here: what is pending has no live consumer.
                    deliveries = await self._abandoned(consumer, topic)
                    look_back_at = 0.0 if deliveries else time.monotonic() + LOOK_BACK_SECONDS
                if not deliveries:
                    deliveries = await self._fresh(consumer, topic)
            if deliveries:
                await handled(handle, [delivery for _, delivery in deliveries])
                async with _bounded():
                    await self._redis.xack(
                        _stream(topic), consumer, *(entry for entry, _ in deliveries)
                    )

    async def _abandoned(self, consumer: str, topic: str) -> list[tuple[bytes, Delivery]]:
        _, entries, _ = await self._redis.xautoclaim(
            _stream(topic), consumer, self._instance, min_idle_time=0, start_id="0-0", count=BATCH
        )
        if not entries:
            return []
        pending = await self._redis.xpending_range(
            _stream(topic), consumer, min=entries[0][0], max=entries[-1][0], count=BATCH
        )
        attempts: dict[Any, Any] = {one["message_id"]: one["times_delivered"] for one in pending}
        return [_read(topic, entry, fields, attempts.get(entry, 1)) for entry, fields in entries]

    async def _fresh(self, consumer: str, topic: str) -> list[tuple[bytes, Delivery]]:
        streams: Any = await self._redis.xreadgroup(
            consumer, self._instance, {_stream(topic): ">"}, count=BATCH, block=BLOCK_MS
        )
        return [
            _read(topic, entry, fields, 1) for _, entries in streams for entry, fields in entries
        ]

    async def _groups(self, topic: str) -> dict[str, dict[str, Any]]:
        try:
            groups = await self._redis.xinfo_groups(_stream(topic))
        except ResponseError:  # no such stream
            return {}
        return {group["name"].decode(): group for group in groups}

    async def _create_groups(self, topic: str, consumers: set[str]) -> None:
        for consumer in consumers:
            try:
                await self._redis.xgroup_create(_stream(topic), consumer, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):  # another process was faster
                    raise

    async def _trim(self, topic: str) -> None:
        """Drops what every group has acknowledged.

        Only a process that declared the topic knows which groups must exist.
        """
        if not self._consumers[topic] or time.monotonic() < self._trim_at.get(topic, 0):
            return
        self._trim_at[topic] = time.monotonic() + TRIM_SECONDS
        groups = await self._groups(topic)
        if missing := self._consumers[topic] - groups.keys():  # the server lost them
            await self._create_groups(topic, missing)
        else:
            needed = [await self._oldest_needed(topic, group) for group in groups.values()]
            await self._redis.xtrim(
                _stream(topic), minid=min(needed, key=_position), approximate=True
            )

    async def _oldest_needed(self, topic: str, group: dict[str, Any]) -> bytes:
        pending = await self._redis.xpending(_stream(topic), group["name"])
        oldest: bytes = pending["min"] or group["last-delivered-id"]
        return oldest

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AbstractConnection]:
        """One connection for a write and its WAITAOF.

        WAITAOF covers only the writes of its own connection.
        """
        pool: Any = self._redis.connection_pool
        connection = await pool.get_connection()
        try:
            yield connection
        except BaseException:
            await connection.disconnect(nowait=True)  # replies may be on their way
            raise
        finally:
            await pool.release(connection)

    async def _synced(self, connection: AbstractConnection) -> None:
        try:
            synced, _ = await connection.read_response()
        except ResponseError as error:
            if not self._warned:
                log.warning(
                    "the server keeps no append-only file, a crash loses messages", error=str(error)
                )
            self._warned = True
        else:
            if not synced:
                raise BusUnavailable(f"Not on the server's disk after {DURABLE_WITHIN_MS} ms")


class Lease:
    """The right to consume: a key that its holder keeps renewing.

    A frozen holder loses it after LEASE_MS.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._take = redis.register_script(TAKE)
        self._release = redis.register_script(RELEASE)
        self._key = key
        self._token = secrets.token_hex(16)

    async def take(self) -> bool:
        """Takes or renews the lease; False when another process holds it."""
        async with _bounded():
            return bool(await self._take(keys=[self._key], args=[self._token, LEASE_MS]))

    async def wait(self) -> None:
        """Waits until the lease is taken."""
        while not await self.take():  # noqa: ASYNC110 - a key on the server, no event of ours
            await asyncio.sleep(STANDBY_SECONDS)

    async def keep(self) -> None:
        """Renews the lease until another process holds it; then raises BusUnavailable."""
        while await self.take():  # noqa: ASYNC110 - the same
            await asyncio.sleep(RENEW_SECONDS)
        raise BusUnavailable("Another process has the lease")

    async def release(self) -> None:
        """Releases the lease, if the server can be reached."""
        with suppress(RedisError, OSError):
            async with asyncio.timeout(1):
                await self._release(keys=[self._key], args=[self._token])


async def _add(connection: AbstractConnection, messages: Sequence[Message]) -> None:
    commands: list[tuple[str | bytes | int, ...]] = [
        ("MULTI",),  # a waiting consumer gets all at once, not the first and then the others
        *(
            ("XADD", _stream(message.topic), "*", "id", message.id, "body", message.body)
            for message in messages
        ),
        ("EXEC",),
        ("WAITAOF", 1, 0, DURABLE_WITHIN_MS),
    ]
    await connection.send_packed_command(connection.pack_commands(commands))
    for _ in commands[:-2]:
        await connection.read_response()
    for added in await connection.read_response():
        if isinstance(added, ResponseError):
            raise added


def _read(
    topic: str, entry: bytes, fields: dict[bytes, bytes], attempt: int
) -> tuple[bytes, Delivery]:
    return entry, Delivery(Message(topic, fields[b"id"].decode(), fields[b"body"]), attempt)


def _stream(topic: str) -> str:
    return f"bus:{topic}"


def _position(entry: bytes) -> tuple[int, ...]:
    return tuple(map(int, entry.split(b"-")))


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            yield
    except (RedisError, OSError) as error:
        raise BusUnavailable(str(error) or "The server does not answer") from error
