"""Clients of one hub connect and leave while events are written.

Each client sees all events after the last one it has seen, once, in order.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import pytest
from asyncpg.connection import Connection

from valerix.chassis.postgres.database import Database
from valerix.notifications import repository
from valerix.notifications.hub import Hub


class Hesitant(Database):
    """A database that answers concurrent queries in any order, after random delays.

    Many rows may be written before a query is answered.
    """

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        await asyncio.sleep(random.choice([0, 0, 0, 0.02, 0.05]))  # noqa: S311 - no secret
        async with super().connection() as connection:
            yield connection


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Hesitant.open(database_url("notifications"), 8) as database:
        yield database


async def write(database: Database, count: int) -> None:
    async with database.transaction() as tx:
        await repository.lock_live_events(tx)
        await repository.insert_live_events(tx, [None] * count, ["{}"] * count)


async def seen(hub: Hub, after: int, count: int) -> list[int]:
    """The ids of the first `count` events shown to a client whose last event was `after`."""
    ids: list[int] = []
    async with aclosing(hub.follow(None, after)) as texts:
        async for text in texts:
            ids.append(json.loads(text.replace(",}", "}"))["id"])
            if len(ids) == count:
                break
    return ids


async def test_a_client_may_be_there_before_the_hub_has_looked(database: Database) -> None:
    """A process is ready, and clients connect, before its jobs have started."""
    await write(database, 3)
    hub = Hub(database)
    after, complete = await hub.begin(None)
    assert complete
    looking = asyncio.create_task(seen(hub, after, 4))
    running = asyncio.create_task(hub.run())
    try:
        for _ in range(4):
            await write(database, 1)
            hub.wake()
        async with asyncio.timeout(60):
            assert await looking == [after + 1, after + 2, after + 3, after + 4]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_who_comes_and_goes_misses_nothing(database: Database) -> None:
    chance = random.Random()  # noqa: S311 - no secret
    hub = Hub(database)
    running = asyncio.create_task(hub.run())

    async def keep_writing() -> None:
        while True:
            await write(database, chance.randint(1, 5))
            hub.wake()
            await asyncio.sleep(chance.choice([0, 0.001, 0.01]))

    async def visit() -> None:
        after, _ = await hub.begin(None)
        for _ in range(5):  # sometimes away so long that the hub has no clients meanwhile
            count = chance.randint(1, 40)
            assert await seen(hub, after, count) == list(range(after + 1, after + count + 1))
            after += count
            await asyncio.sleep(chance.choice([0, 0.01, 0.05]))
            await hub.begin(after)

    writing = asyncio.create_task(keep_writing())
    try:
        async with asyncio.timeout(120):
            for _ in range(8):
                await visit()
            await asyncio.gather(*(visit() for _ in range(3)))
    finally:
        writing.cancel()
        running.cancel()
        await asyncio.gather(writing, running, return_exceptions=True)
