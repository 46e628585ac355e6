"""Risks of streams alone: memory, lost messages, durability."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.bus.received import consuming, ids, messages
from tests.support.brokers import Broker
from tests.support.eventually import eventually, until
from valerix.chassis.messaging.bus.base import Bus, BusUnavailable, Message
from valerix.chassis.messaging.bus.connect import open_bus


@pytest_asyncio.fixture
async def server(valkey: Broker) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.url) as redis:
        yield redis


@pytest_asyncio.fixture
async def bus(valkey: Broker) -> AsyncIterator[Bus]:
    async with open_bus(valkey.url, "test-1") as opened:
        yield opened


async def test_a_stream_is_trimmed_to_what_is_needed(bus: Bus, server: Redis, topic: str) -> None:
    await bus.declare([topic], ["reader", "sleeper"])
    async with consuming(bus, "reader", topic) as received:
        await bus.publish(messages(topic, *range(1000)))
        await received.at_least(1000)
        await asyncio.sleep(1.1)
        await bus.publish(messages(topic, 1000))
        assert await server.xlen(f"bus:{topic}") == 1001, (
            "the sleeping consumer still needs all of them"
        )
        async with consuming(bus, "sleeper", topic) as sleeper:
            await sleeper.at_least(1001)
            await acknowledged(server, topic, "sleeper")
        await asyncio.sleep(1.1)
        await bus.publish(messages(topic, 1001))
        assert await server.xlen(f"bus:{topic}") < 300
    async with consuming(bus, "sleeper", topic) as sleeper:
        await sleeper.at_least(1)
    assert sleeper.ids == ids(topic, 1001)


async def acknowledged(server: Redis, topic: str, consumer: str) -> None:
    async def nothing_pending() -> bool:
        return not (await server.xpending(f"bus:{topic}", consumer))["pending"]

    await eventually(nothing_pending)


async def test_a_server_that_forgot_everything_goes_on(bus: Bus, server: Redis, topic: str) -> None:
    await bus.declare([topic], ["reader", "sleeper"])
    async with consuming(bus, "reader", topic) as received:
        await bus.publish(messages(topic, 1))
        await received.at_least(1)
        await server.flushall()
        await bus.publish(messages(topic, 2, 3))
        await received.at_least(3)
        await asyncio.sleep(1.1)
        await bus.publish(messages(topic, 4))
        await received.at_least(4)
    async with consuming(bus, "sleeper", topic) as sleeper:
        await sleeper.at_least(3)
    assert received.ids == ids(topic, 1, 2, 3, 4)
    assert sleeper.ids == ids(topic, 2, 3, 4)


async def test_a_full_server_refuses_and_consumers_make_room(
    bus: Bus, server: Redis, topic: str
) -> None:
    await bus.declare([topic], ["reader"])
    used = (await server.info("memory"))["used_memory"]
    await server.config_set("maxmemory", used + 5_000_000)
    try:
        sent = await fill(bus, topic)
        async with consuming(bus, "reader", topic) as received:
            await received.at_least(sent)
            await asyncio.sleep(1.1)
            await bus.publish(messages(topic, 1))
    finally:
        await server.config_set("maxmemory", "256mb")


async def fill(bus: Bus, topic: str) -> int:
    """Publishes until the server is full; returns the number of accepted messages."""
    for count in range(1000):
        try:
            await bus.publish([Message(topic, f"{topic}-big-{count}", b"x" * 1_000_000)])
        except BusUnavailable:
            return count
    raise AssertionError("it never was full")


async def test_a_server_without_a_file_is_told_once(bus: Bus, server: Redis, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    await server.config_set("appendonly", "no")
    try:
        with capture_logs() as logs:
            await bus.publish(messages(topic, 1))
            await bus.publish(messages(topic, 2))
    finally:
        await server.config_set("appendonly", "yes")
        await eventually(lambda: is_durable(server))
    assert [line["log_level"] for line in logs] == ["warning"]


async def is_durable(server: Redis) -> bool:
    """Whether the file is in use again, for the other tests: the server rewrites it first."""
    found = await server.info("persistence")
    return not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]


async def test_a_message_nobody_is_declared_for_waits(bus: Bus, topic: str) -> None:
    await bus.publish(messages(topic, 1))
    await bus.declare([topic], ["reader"])
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(1)


async def test_a_process_that_lost_its_lease_stops(bus: Bus, server: Redis, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    async with consuming(bus, "reader", topic) as received:
        received.failing = True
        await bus.publish(messages(topic, 1))
        await until(lambda: bool(received.failures))
        lease = f"bus:{topic}:lease:reader"
        with capture_logs() as logs:
            await server.set(lease, "another process", px=100_000)
            await until(lambda: any("has the lease" in line.get("error", "") for line in logs))
        failures = len(received.failures)
        received.failing = False
        await server.delete(lease)
        await received.at_least(1)
        assert len(received.failures) == failures
        assert received.deliveries[0].attempt == 2
