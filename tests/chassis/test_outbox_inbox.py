"""The outbox and the inbox on a real PostgreSQL.

Events leave if and only if their facts were committed, and each has its effect once. The bus is a
fake of this test (the product has that seam); tests/bus holds the real ones to their contract.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from tests.support.eventually import eventually
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.messaging.bus.base import BusUnavailable, Delivery, Handler, Message
from valerix.chassis.messaging.inbox import KEEP_DAYS, MAX_ATTEMPTS, DeadLetterNotFound, Inbox
from valerix.chassis.messaging.outbox import Entry, Relay
from valerix.chassis.postgres.database import Database
from valerix.contracts.events import BY_SOURCE, ORDERS, Event, outgoing

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OUTBOX = """
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text, subject text, sequence int);
    CREATE TABLE inbox (consumer text, message_id text,
        received_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (consumer, message_id));
    CREATE TABLE dead_letters (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        consumer text, event json, error text, attempts int,
        failed_at timestamptz NOT NULL DEFAULT now(), replayed_at timestamptz);
    CREATE TABLE effects (n int)
"""


async def load(tx: asyncpg.Connection, limit: int) -> list[Entry]:
    rows = await tx.fetch(
        "SELECT id, name, subject, sequence FROM outbox ORDER BY id LIMIT $1", limit
    )
    return [
        Entry(r["id"], r["name"], r["subject"], r["sequence"], NOW, "t" * 32, '{"n": 1}')
        for r in rows
    ]


class Recorder:
    """A bus that records its messages, and refuses them while `down` is set."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.down = False

    async def declare(self, topics: Sequence[str], consumers: Sequence[str]) -> None:
        await self.check()

    async def publish(self, messages: Sequence[Message]) -> None:
        await self.check()
        self.published += messages

    async def subscribe(self, consumer: str, topics: Sequence[str], handle: Handler) -> None:
        raise NotImplementedError

    async def check(self) -> None:
        if self.down:
            raise BusUnavailable("down")

    def subjects(self) -> list[str]:
        return [e["subject"] for m in self.published for e in msgspec.json.decode(m.body)]


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url(), 6) as opened:
        async with opened.connection() as connection:
            await connection.execute(OUTBOX)
        yield opened


async def tell(database: Database, subject: str, name: str = "order.confirmed") -> None:
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO outbox (name, subject, sequence) VALUES ($1, $2, 1)", name, subject
        )


async def left(database: Database) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM outbox"))


# --- outbox


async def test_what_was_committed_leaves_in_order_and_is_forgotten(database: Database) -> None:
    bus = Recorder()
    relay = Relay(database, bus, ORDERS, ["somebody"], load)
    for n in range(250):
        await tell(database, str(n))
    running = asyncio.create_task(relay.run())

    async def empty() -> bool:
        return await left(database) == 0

    await eventually(empty)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert bus.subjects() == [str(n) for n in range(250)]
    assert len({message.id for message in bus.published}) == 250


async def test_a_late_commit_with_an_earlier_id_is_not_skipped(database: Database) -> None:
    bus = Recorder()
    relay = Relay(database, bus, ORDERS, [], load)
    async with database.transaction() as slow, database.connection() as connection:
        await slow.execute(
            "INSERT INTO outbox (name, subject, sequence) VALUES ('order.confirmed', 'early', 1)"
        )
        await tell(database, "late")
        assert await relay.move(connection) == 1
    async with database.connection() as connection:
        assert await relay.move(connection) == 1
    assert bus.subjects() == ["late", "early"]


async def test_nothing_is_forgotten_while_the_bus_is_away(database: Database) -> None:
    bus = Recorder()
    bus.down = True
    relay = Relay(database, bus, ORDERS, ["somebody"], load)
    await tell(database, "a")
    running = asyncio.create_task(relay.run())
    await asyncio.sleep(0.3)
    assert await left(database) == 1
    bus.down = False

    async def arrived() -> bool:
        return bus.subjects() == ["a"] and await left(database) == 0

    await eventually(arrived)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_cut_off_between_publishing_and_forgetting_the_same_message_goes_out_again(
    database: Database,
) -> None:
    bus = Recorder()
    relay = Relay(database, bus, ORDERS, [], load)
    await tell(database, "a")
    with pytest.raises(RuntimeError):
        async with database.transaction() as tx:
            await relay.move(tx)
            raise RuntimeError("killed before the delete was committed")
    async with database.connection() as connection:
        await relay.move(connection)
    first, second = bus.published
    assert (first.id, msgspec.json.decode(first.body)[0]["id"]) == (
        second.id,
        msgspec.json.decode(second.body)[0]["id"],
    )


async def test_what_is_nobodys_business_stays_at_home(database: Database) -> None:
    bus = Recorder()
    relay = Relay(database, bus, ORDERS, [], load)
    await tell(database, "a", "order.delayed")
    async with database.connection() as connection:
        assert await relay.move(connection) == 1
    assert bus.published == []
    assert await left(database) == 0


async def test_of_two_relays_one_works_and_the_other_takes_over(database: Database) -> None:
    bus = Recorder()
    first, second = (
        asyncio.create_task(Relay(database, bus, ORDERS, [], load).run()) for _ in range(2)
    )
    await tell(database, "a")

    async def empty() -> bool:
        return await left(database) == 0

    await eventually(empty)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await tell(database, "b")
    await eventually(empty)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert bus.subjects() == ["a", "b"]


# --- inbox


WANTED, UNWANTED = BY_SOURCE[ORDERS][:2]


def delivery(number: int, *values: Any, attempt: int = 1, name: str = WANTED) -> Delivery:
    """A message with one event per value."""
    events = [
        outgoing(ORDERS, name, f"{number}.{i}", 1, NOW, msgspec.json.encode({"n": v}).decode())
        for i, v in enumerate(values)
    ]
    return Delivery(Message(ORDERS, f"orders-{number}", msgspec.json.encode(events)), attempt)


class Consumer:
    """Writes the number in each event. A value that is no number cannot be written."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.away = False
        self.cured = False
        self.inbox = Inbox(database, Recorder(), "me", [ORDERS], [WANTED], self.effect)

    async def effect(self, tx: asyncpg.Connection, events: list[Event]) -> None:
        for event in events:
            n = event.data["n"]
            await tx.execute(
                "INSERT INTO effects VALUES ($1)", 0 if self.cured and not isinstance(n, int) else n
            )
        if self.away:
            raise Unavailable("not now")

    async def effects(self) -> list[int]:
        async with self.database.connection() as connection:
            return [row["n"] for row in await connection.fetch("SELECT n FROM effects ORDER BY n")]


@pytest.fixture
def consumer(database: Database) -> Consumer:
    return Consumer(database)


async def test_a_message_has_its_effect_once_however_often_it_comes(consumer: Consumer) -> None:
    messages = [delivery(n, n) for n in range(20)]
    await consumer.inbox.receive(messages)
    await asyncio.gather(*(consumer.inbox.receive(messages[n:]) for n in range(10)))
    assert await consumer.effects() == list(range(20))


async def test_what_a_consumer_does_not_want_to_hear_costs_no_transaction(
    consumer: Consumer,
) -> None:
    unwanted = delivery(1, 1, 2, name=UNWANTED)
    both = [msgspec.json.decode(each.message.body)[0] for each in (unwanted, delivery(2, 3))]
    mixed = Delivery(Message(ORDERS, "mixed", msgspec.json.encode(both)), 1)
    await consumer.inbox.receive([unwanted, mixed, delivery(3, 4)])
    assert await consumer.effects() == [3, 4]
    async with consumer.database.connection() as connection:
        assert {
            row["message_id"] for row in await connection.fetch("SELECT message_id FROM inbox")
        } == {
            "mixed",
            "orders-3",
        }


async def test_what_is_not_possible_now_leaves_no_trace_and_is_possible_later(
    consumer: Consumer,
) -> None:
    consumer.away = True
    with pytest.raises(Unavailable):
        await consumer.inbox.receive([delivery(1, 1), delivery(2, "bad")])
    assert await consumer.effects() == []
    assert await consumer.inbox.list_dead(0, 10) == []
    consumer.away = False
    await consumer.inbox.receive([delivery(1, 1)])
    assert await consumer.effects() == [1]


async def test_one_poison_event_among_a_thousand_is_one_dead_letter(consumer: Consumer) -> None:
    values: list[Any] = list(range(1000))
    values[537] = "poison"
    deliveries = [delivery(n, *values[n * 10 : n * 10 + 10]) for n in range(100)]
    await consumer.inbox.receive(deliveries)
    await consumer.inbox.receive(deliveries)
    assert await consumer.effects() == [n for n in range(1000) if n != 537]
    (letter,) = await consumer.inbox.list_dead(0, 10)
    assert letter.event["data"] == {"n": "poison"}
    assert letter.replayed_at is None


async def test_a_replay_after_the_cure_succeeds_once(consumer: Consumer) -> None:
    await consumer.inbox.receive([delivery(1, 5, "poison")])
    (letter,) = await consumer.inbox.list_dead(0, 10)
    with pytest.raises(asyncpg.DataError):
        await consumer.inbox.replay(letter.id)
    assert (await consumer.inbox.get_dead(letter.id)).replayed_at is None
    consumer.cured = True
    assert (await consumer.inbox.replay(letter.id)).replayed_at is not None
    await consumer.inbox.replay(letter.id)
    assert await consumer.effects() == [0, 5]
    with pytest.raises(DeadLetterNotFound):
        await consumer.inbox.replay(letter.id + 1)


async def test_a_message_nobody_can_read_is_kept_as_a_dead_letter(consumer: Consumer) -> None:
    unreadable = Delivery(Message(ORDERS, "orders-9", b"\xffnonsense"), 1)
    await consumer.inbox.receive([unreadable, delivery(1, 1)])
    assert await consumer.effects() == [1]
    (letter,) = await consumer.inbox.list_dead(0, 10)
    assert letter.event["message"] == "orders-9"


async def test_a_message_that_takes_its_consumer_along_is_tried_event_by_event(
    consumer: Consumer,
) -> None:
    await consumer.inbox.receive([delivery(1, 1, 2, 3, attempt=MAX_ATTEMPTS + 1)])
    assert await consumer.effects() == [1, 2, 3]
    await consumer.inbox.receive([delivery(1, 1, 2, 3)])
    assert await consumer.effects() == [1, 2, 3]


async def test_marks_are_forgotten_when_no_message_can_be_as_old(consumer: Consumer) -> None:
    async def marks() -> list[str]:
        async with consumer.database.connection() as connection:
            return [
                row["message_id"]
                for row in await connection.fetch(
                    "SELECT message_id FROM inbox ORDER BY message_id"
                )
            ]

    old, young = timedelta(days=KEEP_DAYS + 1), timedelta(days=KEEP_DAYS - 1)
    async with consumer.database.connection() as connection:
        for owner, message, age in (("me", "a", old), ("me", "b", young), ("other", "c", old)):
            await connection.execute(
                "INSERT INTO inbox VALUES ($1, $2, now() - $3::interval)", owner, message, age
            )
    pruning = asyncio.create_task(consumer.inbox.prune())

    async def pruned() -> bool:
        return await marks() == ["b", "c"]

    await eventually(pruned)
    pruning.cancel()
    await asyncio.gather(pruning, return_exceptions=True)
