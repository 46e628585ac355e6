"""The bus on RabbitMQ ≥ 3.10: a topic exchange, and a quorum queue per consumer and topic.

Durable means confirmed: a quorum of the queue's members has the message on disk. Publishing uses a
connection of its own, because the broker stops reading from publishers when it is short of memory,
and acknowledgements must not wait behind them.

The broker selects a queue's single active consumer. The delivery limit is only a backstop for
messages that kill every consumer. Removed messages stay in the queue `valerix.dead-letters`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, PublishError

from valerix.chassis.base.tasks import being_cancelled, end
from valerix.chassis.messaging.bus.base import (
    BusUnavailable,
    Delivery,
    Handler,
    Message,
    Unroutable,
)
from valerix.chassis.messaging.bus.delivery import Publications, follow, handled, until_one_ends

EVENTS = "valerix.events"
DEAD = "valerix.dead"
DEAD_LETTERS = "valerix.dead-letters"
CONTENT_TYPE = "application/cloudevents-batch+json"
PREFETCH = 32
DELIVERY_LIMIT = 20
HEARTBEAT_SECONDS = 5
"""A process that is frozen, not dead, is replaced after about three of them."""
TIMEOUT_SECONDS = 10.0
QUORUM: dict[str, Any] = {"x-queue-type": "quorum"}
QUEUE: dict[str, Any] = QUORUM | {
    "x-single-active-consumer": True,
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-dead-letter-exchange": DEAD,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",  # required by at-least-once dead-lettering
}

log = structlog.get_logger()


class Link:
    """A connection, opened on first use and again after a loss."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AbstractConnection | None = None
        self._opening = asyncio.Lock()

    async def channel(self) -> AbstractChannel:
        """A new channel. A returned message fails its publication."""
        async with self._opening:
            if self._connection is None or not self._connection.connected.is_set():
                await self.close()
                # Without a timeout argument: aio-pika's own loses cancellations on Python 3.11.
                self._connection = await aio_pika.connect(
                    self._url,
                    heartbeat=HEARTBEAT_SECONDS,
                    client_properties={"connection_name": self._name},
                )
        return await self._connection.channel(on_return_raises=True)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _closed(connection)


class RabbitMq:
    """See messaging.bus.base.Bus. `instance` names this process's connections to the broker."""

    def __init__(self, url: str, instance: str) -> None:
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it also raises what it logs
        self._outgoing = Link(url, f"{instance} publishing")
        self._incoming = Link(url, f"{instance} consuming")
        self._publisher: AbstractChannel | None = None
        self._publications = Publications()
        self._declared: set[tuple[str, str]] = set()

    async def close(self) -> None:
        await self._outgoing.close()
        await self._incoming.close()

    async def check(self) -> None:
        async with _bounded(), _open(self._incoming):
            pass

    async def declare(self, topics: Sequence[str], consumers: Sequence[str]) -> None:
        wanted = {(consumer, topic) for consumer in consumers for topic in topics}
        self._declared |= wanted
        async with _bounded(), _open(self._outgoing) as channel:
            await _declare_exchanges(channel)
            for consumer, topic in wanted:
                await _declare_queue(channel, consumer, topic)

    async def publish(self, messages: Sequence[Message]) -> None:
        with self._publications.one() as turn:
            async with _bounded():
                async with turn:
                    channel = await self._publishing_channel()
                    exchange = await channel.get_exchange(EVENTS, ensure=False)
                    # Each task writes its frames when it first runs, so in this order. The waits
                    # for the confirms overlap.
                    sending = [
                        asyncio.create_task(
                            exchange.publish(_outgoing(message), message.topic, mandatory=True)
                        )
                        for message in messages
                    ]
                await self._confirmed(channel, sending)

    async def _publishing_channel(self) -> AbstractChannel:
        if self._publisher is None or self._publisher.is_closed:
            self._publisher = await self._outgoing.channel()
            await _declare_exchanges(self._publisher)
            for consumer, topic in self._declared:  # the broker may have lost them
                await _declare_queue(self._publisher, consumer, topic)
        return self._publisher

    async def _confirmed(
        self, channel: AbstractChannel, sending: Sequence[asyncio.Task[Any]]
    ) -> None:
        try:
            await asyncio.gather(*sending)
        except BaseException:
            # After one refusal, a channel may stay refused even when its queue has a new leader.
            await _closed(channel)
            raise
        finally:
            await end(sending)

    async def subscribe(self, consumer: str, topics: Sequence[str], handle: Handler) -> None:
        await until_one_ends(*(self._follow(consumer, topic, handle) for topic in topics))

    async def _follow(self, consumer: str, topic: str, handle: Handler) -> None:
        async def consume() -> None:
            lost = asyncio.Event()
            arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
            async with _bounded():
                channel = await self._incoming.channel()
            try:
                async with _bounded():
                    await _watch(channel, lost)
                    await _declare_exchanges(channel)
                    await channel.set_qos(prefetch_count=PREFETCH)
                    queue = await _declare_queue(channel, consumer, topic)
                    await queue.consume(arrived.put)
                await until_one_ends(_raise_when(lost), _deliver(topic, arrived, handle))
            finally:
                await _closed(channel)

        await follow(consumer, topic, consume)


async def _watch(channel: AbstractChannel, lost: asyncio.Event) -> None:
    def lose(*_: object) -> None:
        lost.set()

    channel.close_callbacks.add(lose)
    (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(
        lose
    )  # the queue was deleted


async def _raise_when(lost: asyncio.Event) -> None:
    await lost.wait()
    raise BusUnavailable("The broker closed the channel")


async def _deliver(
    topic: str, arrived: asyncio.Queue[AbstractIncomingMessage], handle: Handler
) -> None:
    while True:
        batch = [await arrived.get()]
        while not arrived.empty():
            batch.append(arrived.get_nowait())
        await handled(handle, [_delivery(topic, message) for message in batch])
        async with _bounded():
            await batch[-1].ack(multiple=True)


def _delivery(topic: str, message: AbstractIncomingMessage) -> Delivery:
    count = message.headers.get("x-delivery-count")
    attempt = 1 + (count if isinstance(count, int) else 0)
    return Delivery(Message(topic, message.message_id or "", message.body), attempt)


def _outgoing(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        message_id=message.id,
        content_type=CONTENT_TYPE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


async def _declare_exchanges(channel: AbstractChannel) -> None:
    await channel.declare_exchange(EVENTS, aio_pika.ExchangeType.TOPIC, durable=True)
    await channel.declare_exchange(DEAD, aio_pika.ExchangeType.FANOUT, durable=True)
    queue = await channel.declare_queue(DEAD_LETTERS, durable=True, arguments=QUORUM)
    await queue.bind(DEAD)


async def _declare_queue(channel: AbstractChannel, consumer: str, topic: str) -> AbstractQueue:
    queue = await channel.declare_queue(
        f"valerix.{consumer}.{topic}", durable=True, arguments=QUEUE
    )
    await queue.bind(EVENTS, topic)
    return queue


@asynccontextmanager
async def _open(link: Link) -> AsyncIterator[AbstractChannel]:
    channel = await link.channel()
    try:
        yield channel
    finally:
        await _closed(channel)


async def _closed(resource: AbstractChannel | AbstractConnection) -> None:
    with suppress(*CONNECTION_EXCEPTIONS):  # it may be closed already
        async with asyncio.timeout(1):
            with _losses():
                await resource.close()


@contextmanager
def _losses() -> Iterator[None]:
    """Translates a lost connection into ConnectionError.

    The client cancels the tasks that wait for a connection that it gives up.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise ConnectionError("The connection was lost") from error


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            with _losses():
                yield
    except PublishError as error:
        raise Unroutable(str(error)) from error
    except CONNECTION_EXCEPTIONS as error:
        raise BusUnavailable(str(error) or "The broker does not answer") from error
