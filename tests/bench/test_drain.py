"""A drain ends when no work is left in any place, and returns the backlog when its time is over."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from asyncpg.connection import Connection
from redis.asyncio import Redis

from tests.support.brokers import ValkeyServer
from valerix.bench.drain import DATABASES, drain

OUTBOX_ROW = "INSERT INTO outbox (subjects, versions) VALUES ('{}', '{}')"
MESSAGE = """
    INSERT INTO notifications (id, channel, recipient, subject, body, next_attempt_at, created_at)
    VALUES (gen_random_uuid(), 'email', 'CUST-1', '', '', now() + $1::interval, now())
"""


class Counts:
    """A stub of a database: each count returns the next number, and the last one repeats."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)

    async def fetchval(self, _: str) -> int:
        return self._numbers.pop(0) if len(self._numbers) > 1 else self._numbers[0]


@pytest.fixture
async def databases(database_url: Callable[..., str]) -> AsyncIterator[dict[str, Connection]]:
    async with AsyncExitStack() as opened:
        connections = {name: await asyncpg.connect(database_url(name)) for name in DATABASES}
        for connection in connections.values():
            opened.push_async_callback(connection.close)
        yield connections


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer.running(tmp_path) as server:
        yield server


async def test_events_and_messages_count_until_they_have_left(
    databases: dict[str, Connection],
) -> None:
    assert (await drain(databases, None, 0)).backlog == 0
    await databases["orders"].execute(OUTBOX_ROW)
    await databases["notifications"].execute(MESSAGE, timedelta(0))
    assert (await drain(databases, None, 0)).backlog == 2
    await databases["orders"].execute("DELETE FROM outbox")
    assert (await drain(databases, None, 0)).backlog == 1


async def test_a_message_for_the_next_hour_is_not_waited_for(
    databases: dict[str, Connection],
) -> None:
    await databases["notifications"].execute(MESSAGE, timedelta(hours=1))
    assert (await drain(databases, None, 0)).backlog == 0


async def test_a_publication_counts_until_each_consumer_has_acknowledged_it(
    databases: dict[str, Connection], valkey: ValkeyServer
) -> None:
    async with Redis.from_url(valkey.url) as streams:
        await streams.xgroup_create("bus:orders", "notifications", id="0", mkstream=True)
        assert (await drain(databases, streams, 0)).backlog == 0
        entry = await streams.xadd("bus:orders", {"id": "orders-1", "body": "[]"})
        assert (await drain(databases, streams, 0)).backlog == 1
        await streams.xreadgroup("notifications", "one", {"bus:orders": ">"})
        assert (await drain(databases, streams, 0)).backlog == 1
        await streams.xack("bus:orders", "notifications", entry)
        assert (await drain(databases, streams, 0)).backlog == 0


async def test_one_look_that_finds_nothing_does_not_end_a_drain() -> None:
    """A consumer may cause work in a place counted before: due orders, then the outbox."""
    orders = Counts(3, 0, *(0, 0), *(0, 1), *(0, 0), *(0, 0), *(9, 0))
    databases = {
        name: cast("Connection", orders if name == "orders" else Counts(0)) for name in DATABASES
    }
    assert (await drain(databases, None, 60)).backlog == 0
    assert await orders.fetchval("") == 9
