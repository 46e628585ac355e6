"""The bus between services: at-least-once, in order per topic, one active consumer per (consumer, topic).

A topic is the name of the service that tells. Two adapters, one contract (tests/bus): Valkey streams and RabbitMQ.

BusError
├── BusUnavailable   the broker cannot be reached or has no space: nothing may be taken as published; try again
└── Unroutable       the broker took the message but has nowhere to put it: a mistake in the set-up, never a success
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol


class BusError(Exception):
    """Base of everything a bus raises."""


class BusUnavailable(BusError):
    """Nothing may be taken as published; publishing again is safe, consumers recognise a batch by its id."""


class Unroutable(BusError):
    """A mandatory message that no queue is bound for."""


class Message(NamedTuple):
    """A batch of events on its way. `id` is unique per topic and the same however often the batch is sent."""

    topic: str
    id: str
    body: bytes
    """application/cloudevents-batch+json"""


class Delivery(NamedTuple):
    """A message as a consumer gets it. `attempt` counts from 1; it grows when a consumer dies with the message."""

    message: Message
    attempt: int


Handler = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Returns once everything is durably processed: then, and only then, all of it is acknowledged. When it raises,
nothing is, and the same messages come again in the same order after a pause."""


class Bus(Protocol):
    """What outbox and inbox need of a broker."""

    async def declare(self, topics: Sequence[str], consumers: Sequence[str]) -> None:
        """Make sure that every topic exists and keeps its messages for every one of `consumers`. Idempotent.

        Publishers and consumers both call it, so it does not matter who starts first. Raises BusUnavailable.
        """

    async def publish(self, messages: Sequence[Message]) -> None:
        """Hand over messages in this order; returns when the broker has all of them durably (fsync or quorum).

        Raises BusUnavailable or Unroutable; then any part may or may not have arrived.
        """

    async def subscribe(self, consumer: str, topics: Sequence[str], handle: Handler) -> None:
        """Deliver to `handle` until cancelled. Of all processes subscribing as `consumer`, one is active per topic;
        when it dies, another takes over within seconds, beginning with what was not acknowledged.

        Survives the broker's restarts by itself.
        """

    async def check(self) -> None:
        """Readiness: raises BusUnavailable when the broker does not answer."""
