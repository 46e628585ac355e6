"""The bus between services.

It delivers at least once, in order per topic, to one active process per consumer and topic.

A topic is named after the service that publishes to it; every service publishes to `acts`. Two
adapters fulfil one contract (tests/bus): Valkey streams and RabbitMQ.

BusError
├── BusUnavailable   the broker cannot be reached or is full: nothing counts as published; try again
└── Unroutable       the broker took the message but has no queue for it: a mistake in the set-up
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol


class BusError(Exception):
    """Base of all errors that a bus raises."""


class BusUnavailable(BusError):
    """No message counts as published.

    Publishing again is safe: consumers recognise a batch by its id.
    """


class Unroutable(BusError):
    """A mandatory message without a bound queue. Never a success."""


class Message(NamedTuple):
    """A batch of events in transit.

    `id` is unique per topic and the same however often the batch is sent.
    """

    topic: str
    id: str
    body: bytes
    """application/cloudevents-batch+json"""


class Delivery(NamedTuple):
    """A message as a consumer gets it.

    `attempt` counts from 1 and grows when a consumer dies with the message.
    """

    message: Message
    attempt: int


Handler = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Returns when all messages are durably processed. Then, and only then, all of them are
acknowledged.

When it raises, none is, and the same messages arrive again in the same order after a pause.
"""


class Bus(Protocol):
    """The operations that outbox and inbox need of a broker."""

    async def declare(self, topics: Sequence[str], consumers: Sequence[str]) -> None:
        """Ensures that every topic exists and keeps its messages for every one of `consumers`.
        Idempotent.

        Publishers and consumers both call it, so their order of start does not matter. Raises
        BusUnavailable.
        """

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publishes messages in this order; returns when the broker has all of them durably (fsync
        or quorum).

        Raises BusUnavailable or Unroutable. Any part of the messages may then have arrived.
        """

    async def subscribe(self, consumer: str, topics: Sequence[str], handle: Handler) -> None:
        """Delivers to `handle` until cancelled.

        Of all processes that subscribe as `consumer`, one is active per topic. When it dies,
        another takes over within seconds and starts with the unacknowledged messages. The
        subscription survives restarts of the broker.
        """

    async def check(self) -> None:
        """Readiness: raises BusUnavailable when the broker does not answer."""
