"""Properties of RabbitMQ alone: what it reports, and what it can lose."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage, AbstractQueue

from tests.bus.received import consuming, ids, messages
from tests.bus.test_contract import published_again
from tests.chassis.test_tasks import given_up
from tests.support import brokers
from tests.support.brokers import Broker
from tests.support.disks import filled, mounted
from tests.support.eventually import until
from valerix.chassis.messaging.bus import rabbitmq
from valerix.chassis.messaging.bus.base import Bus, BusUnavailable, Message, Unroutable
from valerix.chassis.messaging.bus.connect import open_bus
from valerix.chassis.messaging.bus.delivery import pauses

DISK_BYTES: Final = 256 * 1024 * 1024
"""The broker stops publishers below 50 MB."""


@pytest_asyncio.fixture
async def bus(rabbit: Broker) -> AsyncIterator[Bus]:
    async with open_bus(rabbit.url, "test-1") as opened:
        yield opened


@pytest_asyncio.fixture
async def server(rabbit: Broker) -> AsyncIterator[AbstractConnection]:
    async with await aio_pika.connect(rabbit.url) as connection:
        yield connection


async def test_a_message_nobody_is_declared_for_is_refused(bus: Bus, topic: str) -> None:
    with pytest.raises(Unroutable):
        await bus.publish(messages(topic, 1))
    await bus.declare([topic], ["reader"])
    await bus.publish(messages(topic, 1))


async def test_a_deleted_queue_is_declared_again(
    bus: Bus, server: AbstractConnection, topic: str
) -> None:
    async with consuming(bus, "reader", topic) as received:
        await bus.declare([topic], ["reader"])
        await bus.publish(messages(topic, 1))
        await received.at_least(1)
        async with server.channel() as channel:
            await channel.queue_delete(f"valerix.reader.{topic}")
        await published(bus, messages(topic, 2))
        await received.at_least(2)


async def test_a_message_over_the_delivery_limit_is_kept_aside(
    bus: Bus, server: AbstractConnection, topic: str
) -> None:
    await bus.declare([topic], ["reader"])
    await bus.publish(messages(topic, 1, 2))
    refusals: list[str | None] = []

    async def refuse_the_first(message: AbstractIncomingMessage) -> None:
        refusals.append(message.message_id)
        if message.message_id == f"{topic}-1":
            await message.nack(requeue=True)

    async with server.channel() as channel:
        await (await channel.get_queue(f"valerix.reader.{topic}")).consume(refuse_the_first)
        await arrived(await channel.get_queue(rabbitmq.DEAD_LETTERS), f"{topic}-1")
    assert refusals.count(f"{topic}-1") == rabbitmq.DELIVERY_LIMIT + 1
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(1)
    assert received.ids == ids(topic, 2)


async def published(bus: Bus, sent: list[Message]) -> None:
    """Publishes like the relay: again until it succeeds."""
    for pause in pauses():
        try:
            await bus.publish(sent)
            break
        except Unroutable:
            await asyncio.sleep(pause)


async def arrived(queue: AbstractQueue, message_id: str) -> None:
    """Returns when the message has arrived. Other tests may have left further messages there."""
    async with queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            if message.message_id == message_id:
                return


async def test_a_client_that_gives_up_its_connection_has_lost_the_broker() -> None:
    with pytest.raises(BusUnavailable, match="connection was lost"):
        async with rabbitmq._bounded():
            await given_up()


async def test_who_is_told_to_end_ends() -> None:
    entered = asyncio.Event()

    async def wait() -> None:
        async with rabbitmq._bounded():
            entered.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.full
async def test_all_that_was_published_arrives_when_there_is_room_again_on_the_brokers_disk(
    topic: str,
) -> None:
    """The full disk crashes the log of the quorum queues: the broker refuses until its restart."""
    if not brokers.rabbitmq_is_installed():
        pytest.skip(f"needs Debian's package {brokers.PACKAGE}")
    published = 0
    with (
        mounted(DISK_BYTES) as disk,
        contextlib.closing(brokers.RabbitServer(disk / "rabbitmq")) as server,
    ):
        server.start()
        async with (
            open_bus(server.url, "test-1") as bus,
            consuming(bus, "reader", topic) as received,
        ):
            await bus.declare([topic], ["reader"])
            with filled(disk), pytest.raises(BusUnavailable):
                while True:
                    await bus.publish(messages(topic, published))
                    published += 1
            server.kill()
            server.start()
            await published_again(bus, topic, published)
            await until(lambda: {*received.ids} == {*ids(topic, *range(published + 1))})
