"""The inbox: each event has its effect once, however often and in whichever batch its message
arrives.

The mark of a processed message and the effect of its events share one transaction. The bus gets its
acknowledgement afterwards. A message without a wanted event is read and costs no transaction.

A message that cannot be processed as a whole is taken apart. Its good events have their effect, the
bad one becomes a dead letter, and the queue goes on. A temporary failure (a database, a service,
the bus is away) is retried and never becomes a dead letter.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from asyncpg import Connection

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import DeadlineExceeded
from valerix.chassis.base.problems import NotFound, Unavailable
from valerix.chassis.calls.client import CallFailed
from valerix.chassis.chaos.points import Point
from valerix.chassis.messaging.bus.base import Bus, BusError, Delivery, Message
from valerix.chassis.messaging.repository import INBOX, DeadLetter, InboxRepository
from valerix.chassis.postgres.database import CommitOutcomeUnknown, Database, Transaction
from valerix.contracts.events import BY_SOURCE, Event, name_of

log = structlog.get_logger()


class _Head(msgspec.Struct):
    """The part of an event that decides whether it is wanted."""

    type: str


_decoder = msgspec.json.Decoder(list[Event])
_heads = msgspec.json.Decoder(list[_Head])

RECEIVED, COMMITTING, COMMITTED = (
    Point("inbox.received"),
    Point("inbox.committing"),
    Point("inbox.committed"),
)
MAX_ATTEMPTS = 5
"""A message delivered more often than this kills its consumer.

From then on, its events are tried one by one.
"""
PRUNE_SECONDS = 3600.0
KEEP_DAYS = 14
TRANSIENT: Final = (
    Unavailable,
    CommitOutcomeUnknown,
    BusError,
    CallFailed,
    DeadlineExceeded,
    TimeoutError,
    OSError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
)
Effect = Callable[[Connection, list[Event]], Awaitable[None]]
"""Runs in the transaction of the mark.

It may get an event again that it has seen, only if that transaction was lost.
"""


class DeadLetterNotFound(NotFound):
    code = "dead_letter_not_found"


class Inbox:
    """One consumer: `effect` gets each event of `topics` with one of `names` once."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        consumer: str,
        topics: Sequence[str],
        names: Collection[str],
        effect: Effect,
        repository: InboxRepository = INBOX,
    ) -> None:
        self._database = database
        self._bus = bus
        self.consumer = consumer
        self._topics = topics
        self._names = frozenset(names)
        self._selective = not self._names.issuperset(
            name for topic in topics for name in BY_SOURCE.get(topic, ())
        )
        self._effect = effect
        self._repository = repository

    async def run(self) -> None:
        """Receives messages until cancelled."""
        await self._bus.declare(self._topics, [self.consumer])
        await self._bus.subscribe(self.consumer, self._topics, self.receive)

    async def receive(self, deliveries: Sequence[Delivery]) -> None:
        """Processes messages; returns when their effects are committed. Raises transient errors."""
        await RECEIVED.passed()
        fresh = all(delivery.attempt <= MAX_ATTEMPTS for delivery in deliveries)
        if not (fresh and await self._succeeded([delivery.message for delivery in deliveries])):
            for delivery in deliveries:
                await self._one_by_one(delivery)
        await COMMITTED.passed()

    async def _succeeded(self, messages: list[Message]) -> bool:
        try:
            await self._handle_batch(messages)
        except TRANSIENT:
            raise
        except Exception as error:
            log.warning("batch failed, taking it apart", consumer=self.consumer, error=repr(error))
            return False
        return True

    async def _handle_batch(self, messages: list[Message]) -> None:
        wanted = {message.id: events for message in messages if (events := self._wanted(message))}
        if not wanted:
            return
        async with self._database.transaction() as tx:
            fresh = await self._repository.mark(tx, self.consumer, list(wanted))
            if events := [
                event for message_id, new in wanted.items() if message_id in fresh for event in new
            ]:
                telemetry.trace_id.set(telemetry.parse_traceparent(events[0].traceparent) or "")
                await self._effect(tx, events)
            await COMMITTING.passed()

    def _wanted(self, message: Message) -> list[Event]:
        if self._selective and not any(
            name_of(each.type) in self._names for each in _heads.decode(message.body)
        ):
            return []  # true for most messages: a third of the cost of decoding them fully
        return [event for event in _decoder.decode(message.body) if event.name in self._names]

    async def _one_by_one(self, delivery: Delivery) -> None:
        message = delivery.message
        async with self._database.connection() as connection:
            if await self._repository.is_marked(connection, self.consumer, message.id):
                return
        try:
            events = self._wanted(message)
        except msgspec.MsgspecError as error:
            unreadable = {"message": message.id, "base64": base64.b64encode(message.body).decode()}
            await self._bury(message.id, unreadable, error, delivery.attempt)
            return
        for index, event in enumerate(events):
            await self._single(f"{message.id}#{index}", event, delivery.attempt)
        async with self._database.connection() as connection:
            await self._repository.mark(connection, self.consumer, [message.id])

    async def _single(self, mark: str, event: Event, attempt: int) -> None:
        telemetry.trace_id.set(telemetry.parse_traceparent(event.traceparent) or "")
        try:
            async with self._database.transaction() as tx:
                if await self._repository.mark(tx, self.consumer, [mark]):
                    await self._effect(tx, [event])
        except TRANSIENT:
            raise
        except Exception as error:
            log.exception("event became a dead letter", consumer=self.consumer, event_id=event.id)
            await self._bury(
                mark, msgspec.to_builtins(event, builtin_types=(datetime,)), error, attempt
            )

    async def _bury(self, mark: str, event: dict[str, Any], error: Exception, attempt: int) -> None:
        async with self._database.transaction() as tx:
            if await self._repository.mark(tx, self.consumer, [mark]):
                await self._repository.insert_dead(tx, self.consumer, event, repr(error), attempt)

    # --- dead letters

    async def list_dead(self, after: int, limit: int, *, waiting: bool = False) -> list[DeadLetter]:
        """The dead letters of this consumer with an id above `after`, oldest first.

        `waiting`: without the replayed ones.
        """
        async with self._database.connection() as connection:
            return await self._repository.list_dead(
                connection, self.consumer, after, limit, waiting=waiting
            )

    async def get_dead(self, letter_id: int) -> DeadLetter:
        """One dead letter of this consumer. Raises DeadLetterNotFound."""
        async with self._database.connection() as connection:
            letter = await self._repository.find_dead(connection, self.consumer, letter_id)
        if letter is None:
            raise DeadLetterNotFound(f"{self.consumer} has no dead letter {letter_id}")
        return letter

    async def replay(
        self, letter_id: int, record: Callable[[Transaction, Event], Awaitable[None]] | None = None
    ) -> DeadLetter:
        """Tries a dead letter again; a successful replay is not repeated. Raises what the effect
        raises.

        `record` runs with the effect, in its transaction.
        """
        async with self._database.transaction() as tx:
            event = await self._repository.claim_dead(tx, self.consumer, letter_id)
            if event is not None:
                replayed = msgspec.convert(event, Event)
                await self._effect(tx, [replayed])
                if record is not None:
                    await record(tx, replayed)
        return await self.get_dead(letter_id)

    async def prune(self) -> None:
        """Deletes marks that are older than any message can be. Runs until cancelled."""
        while True:
            async with self._database.connection() as connection:
                await self._repository.delete_marks(connection, self.consumer, KEEP_DAYS)
            await asyncio.sleep(PRUNE_SECONDS)
