"""The audit finds events that the bus lost; a replay repairs them; a second one changes nothing."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest

from tests.audit.conftest import ORDERS, Past
from tests.audit.services import Services, services_at
from tests.audit.test_delivery import AN_HOUR_AGO
from tests.audit.test_rules import COMPLETED, FAILED, broken, look
from tests.inventory.conftest import EAST, WEST, Shop, replica
from valerix.audit import replay as replaying
from valerix.audit.replay import OutboxStalled, replay
from valerix.audit.snapshot import Period
from valerix.contracts.events import BY_SOURCE, INVENTORY_LOW_STOCK, TOPICS, Event
from valerix.contracts.ids import new_id
from valerix.inventory.domain import OutOfStock
from valerix.inventory.schemas import AdjustBody, NewWarehouse
from valerix.launcher.topology import DATABASE_NAMES

LOST: Final = (
    (
        "orders",
        f"UPDATE order_events SET occurred_at = {AN_HOUR_AGO}"
        f" WHERE order_id IN ({COMPLETED}, {FAILED})",
    ),
    ("users", f"UPDATE user_events SET occurred_at = {AN_HOUR_AGO}"),
    ("inventory", "DELETE FROM reservations WHERE state = 'released'"),
    (
        "inventory",
        "INSERT INTO acts (id, act, actor, role, trace_id, subject, what, emitted, occurred_at)"
        " VALUES (gen_random_uuid(), 'tested', 'olga', 'operator', '', '', '{}', true,"
        f" {AN_HOUR_AGO})",
    ),
)
"""Statements for recent events that were published and that no consumer has received."""


def last(**span: float) -> Period:
    """Return the period of this length that ends now."""
    return Period(datetime.now(UTC) - timedelta(**span), datetime.now(UTC))


async def replayed(past: Past, period: Period, *topics: str) -> dict[str, int]:
    """Replay the period; return how many events of each topic were queued."""
    found = {
        (queued.topic, queued.service): queued.events
        async for queued in replay(past.sources.databases, period, topics or TOPICS)
    }
    counts: Counter[str] = Counter()
    for (topic, _), events in found.items():
        counts[topic] += events
    return counts


@pytest.fixture
async def writable(past: Past) -> Past:
    for service in DATABASE_NAMES:
        past.copy(service)
    return past


@pytest.fixture
async def services(writable: Past) -> AsyncIterator[Services]:
    async with services_at(writable.sources.databases) as services:
        yield services


NOTIFIED: Final = "SELECT id, event_id, channel, recipient, status FROM notifications ORDER BY id"
AGAIN: Final = f"""
INSERT INTO notifications (id, event_id, channel, recipient, subject, body, created_at,
                           next_attempt_at)
SELECT '{new_id()}', event_id, channel, recipient, subject, body, created_at, next_attempt_at
FROM notifications LIMIT 1
"""
"""A second message about one occasion."""
KEPT: Final = {
    "notifications": (
        NOTIFIED,
        "SELECT customer_id, name, email, sequence FROM contacts ORDER BY 1",
    ),
    "orders": ("SELECT customer_id, standing, sequence FROM customers_seen ORDER BY 1",),
    "inventory": (
        "SELECT order_id, state FROM reservations ORDER BY 1",
        "SELECT * FROM movements ORDER BY 1, 2, 3",
    ),
    "users": ("SELECT id, action FROM audit ORDER BY id",),
}
"""Queries for the data that consumers keep of events."""


async def effects(services: Services) -> list[list[dict[str, Any]]]:
    return [await services.rows(name, query) for name, queries in KEPT.items() for query in queries]


async def test_what_the_bus_lost_is_found_and_comes_once(
    writable: Past, services: Services
) -> None:
    for service, statement in LOST:
        await writable.execute(service, statement)
    assert broken(await look(writable)) == {"delivery", "notifications", "acts"}

    assert await replayed(writable, last(hours=2)) == {"orders": 7, "users": 5, "acts": 1}
    messages = await services.publish()
    await services.deliver(messages)
    assert broken(await look(writable)) == set()
    first = await effects(services)
    # Confirmed, shipped (twice), completed; failed.
    assert [row["status"] for row in first[0]] == ["queued"] * 5

    await replayed(writable, last(hours=2))
    again = await services.publish()
    assert {message.id for message in again if message.topic != "acts"}.isdisjoint(
        {m.id for m in messages}
    )
    await services.deliver(again)
    assert await effects(services) == first
    await writable.execute("notifications", AGAIN)
    assert broken(await look(writable)) == {"notifications"}
    live = await services.rows(
        "notifications", "SELECT unnest(messages)::json ->> 'eventId' AS id FROM live_batches"
    )
    assert set(Counter(row["id"] for row in live).values()) == {2}


async def test_occasions_older_than_a_day_are_put_on_record_and_not_sent(
    writable: Past, services: Services
) -> None:
    old = "now() - interval '25 hours'"
    await writable.execute(
        "orders", f"UPDATE order_events SET occurred_at = {old} WHERE order_id = {COMPLETED}"
    )
    period = Period(
        datetime.now(UTC) - timedelta(hours=25, minutes=1), datetime.now(UTC) - timedelta(hours=24)
    )
    await replayed(writable, period, "orders")
    await services.deliver(await services.publish())
    rows = await services.rows(
        "notifications", "SELECT status, last_error, next_attempt_at, event_id FROM notifications"
    )
    ours = await writable.value("orders", f"SELECT id::text FROM orders WHERE id = {COMPLETED}")
    messages = [
        (row["status"], row["last_error"], row["next_attempt_at"])
        for row in rows
        if ours in row["event_id"]
    ]
    assert messages == [("skipped", "too late", None)] * 4


async def test_a_replay_that_ends_in_the_middle_is_repeated_in_full(
    writable: Past, services: Services
) -> None:
    """It queues in pages, each event once, and the events of an order by version."""
    everything = last(days=200)
    async for queued in replay(writable.sources.databases, everything, ["orders"]):
        assert queued.events == replaying.PAGE
        break
    assert await services.rows("orders", "SELECT count(*) FROM outbox") == [{"count": 10}]
    await services.publish()
    count = (await replayed(writable, everything, "orders"))["orders"]
    assert count > replaying.PAGE
    found = [
        e for m in await services.publish() for e in msgspec.json.decode(m.body, type=list[Event])
    ]
    assert (
        len(found)
        == count
        == int(await writable.value("orders", "SELECT count(*) FROM order_events"))
    )
    assert len({event.id for event in found}) == count
    versions: dict[str, list[int]] = {}
    for event in found:
        versions.setdefault(event.subject, []).append(event.sequence)
    assert len(versions) == ORDERS
    assert all(each == sorted(each) for each in versions.values())


async def test_it_says_so_when_nothing_leaves(
    writable: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "MAX_WAITING", 0)
    with pytest.raises(OutboxStalled, match="orders"):
        async for _ in replay(
            writable.sources.databases, last(days=200), ["orders"], stalled_seconds=0
        ):
            pass


# --- inventory


@pytest.fixture
async def shop(database_url: Callable[..., str]) -> AsyncIterator[tuple[str, Shop]]:
    url = database_url("inventory")
    async with replica(url) as shop:
        await shop.catalogue.create_warehouse(NewWarehouse(EAST, "East", 1))
        await shop.catalogue.create_warehouse(NewWarehouse(WEST, "West", 2))
        yield url, shop


async def outbox(shop: Shop) -> list[list[Any]]:
    """Empty the outbox; return its events."""
    async with shop.database.connection() as tx:
        rows = await tx.fetch("DELETE FROM outbox RETURNING id, events")
    return [event for row in sorted(rows, key=lambda row: row["id"]) for event in row["events"]]


async def rebuilt(url: str, shop: Shop) -> list[list[Any]]:
    async for _ in replay({"inventory": url}, last(hours=1), ["inventory"]):
        pass
    return await outbox(shop)


@pytest.mark.parametrize("seed", range(3))
async def test_low_stock_is_worked_out_from_the_ledger_as_it_was_told(
    seed: int, shop: tuple[str, Shop]
) -> None:
    url, at = shop
    chance = random.Random(seed)  # noqa: S311 - a reproducible sequence, no secret
    for sku in "AB":
        await at.add(sku, east=6, west=3, low_stock_threshold=5)
    held: list[str] = []
    for _ in range(60):
        match chance.choice(["reserve", "reserve", "release", "commit", "bring", "take"]):
            case "reserve":
                orders = [
                    (new_id(), (chance.choice("AB"), chance.randint(1, 3)))
                    for _ in range(chance.randint(1, 2))
                ]
                held += [order for order, _ in orders]
                await at.reserve_all(*orders)
            case "release" if held:
                await at.release(held.pop(chance.randrange(len(held))))
            case "commit" if held:
                await at.commit(held.pop(chance.randrange(len(held))))
            case "bring":
                await at.bring(
                    chance.choice("AB"), chance.randint(1, 3), chance.choice([EAST, WEST])
                )
            case "take":
                with suppress(OutOfStock):
                    await at.stock.adjust(AdjustBody("A", EAST, -1, "broken"), "olga")
    emitted = [event for event in await outbox(at) if event[0] == INVENTORY_LOW_STOCK]
    assert emitted
    assert sorted(await rebuilt(url, at), key=str) == sorted(emitted, key=str)


async def test_low_stock_of_a_product_that_was_changed_is_not_made_up(
    shop: tuple[str, Shop],
) -> None:
    url, at = shop
    await at.add("A", east=5, low_stock_threshold=0)
    await at.reserve("o1", ("A", 2))
    await outbox(at)
    async with at.database.connection() as tx:
        await tx.execute("UPDATE products SET low_stock_threshold = 4, updated_at = now()")
    assert await rebuilt(url, at) == []


async def test_an_order_whose_stock_is_ready_hears_of_it_again(shop: tuple[str, Shop]) -> None:
    url, at = shop
    await at.add("A")
    await at.wait("o1", ("A", 2))
    await at.wait("o2", ("A", 2))
    await at.bring("A", 3)
    (emitted,) = [event for event in await outbox(at) if event[0] == "inventory.reservation_ready"]
    (again,) = await rebuilt(url, at)
    assert [again[0], again[1], again[2], again[5]] == [
        emitted[0],
        emitted[1],
        emitted[2],
        emitted[5],
    ]


async def test_every_topic_is_replayed() -> None:
    assert set(BY_SOURCE) == set(TOPICS) == {*replaying.HISTORIES, "inventory", "acts"}
