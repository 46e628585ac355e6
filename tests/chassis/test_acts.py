"""Acts of staff: recorded with their change or not at all, and published once, without the
address.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.chassis.test_outbox_inbox import Recorder
from tests.support.postgres import PostgresServer
from valerix.chassis.messaging import acts
from valerix.chassis.messaging.outbox import Relay
from valerix.chassis.messaging.repository import ACTS
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.acts import Actor
from valerix.contracts.events import ACTS as TOPIC

OLGA = Actor("olga", "operator", "198.51.100.7", "a" * 32)


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    """A database with the table of acts as the services have it."""
    name, url = postgres.fresh_database("payments")
    async with Database.open(url, 2) as opened:
        yield opened
    postgres.drop(name)


async def on_record(database: Database) -> list[tuple[str, str, Any]]:
    async with database.connection() as tx:
        return [(act.act, act.actor, act.what) for act in await acts.list_acts(tx, ["it"])]


async def relayed(database: Database, bus: Recorder) -> list[dict[str, Any]]:
    relay = Relay(database, bus, "payments", [], ACTS.list_outgoing, ACTS, topic=TOPIC)
    async with database.connection() as connection:
        while await relay.move(connection):
            pass
    return [event for message in bus.published for event in msgspec.json.decode(message.body)]


@pytest.mark.parametrize(
    ("outcome", "expected"), [(True, [("it.changed", "olga", {"n": 1})]), (False, [])]
)
async def test_only_a_change_is_an_act(
    database: Database, outcome: bool, expected: list[Any]
) -> None:
    async def change() -> bool:
        return outcome

    act = acts.act_of(OLGA, "it.changed", "it", n=1, left_out=None)
    async with database.connection() as tx:
        assert await acts.recorded(tx, act, change) is outcome
    assert await on_record(database) == expected


async def test_a_change_that_is_undone_leaves_no_act(database: Database) -> None:
    async def change(tx: Transaction) -> None:
        await acts.record(tx, acts.act_of(OLGA, "it.changed", "it"))
        raise LookupError

    with pytest.raises(LookupError):
        await database.retry(change)
    assert await on_record(database) == []


async def test_a_change_that_is_tried_again_is_one_act(database: Database) -> None:
    act = acts.act_of(OLGA, "it.changed", "it")
    async with database.connection() as tx:
        await acts.record(tx, act)
        await acts.record(tx, act)
    assert len(await on_record(database)) == 1


async def test_what_a_customer_does_is_no_act() -> None:
    assert acts.act_of(None, "it.changed", "it") is None
    assert acts.detailed(None, n=1) is None


async def test_an_act_leaves_once_without_its_address_and_stays_on_record(
    database: Database,
) -> None:
    async with database.connection() as tx:
        await acts.record(tx, acts.act_of(OLGA, "it.changed", "it", n=1))
    (event,) = await relayed(database, bus := Recorder())
    assert await relayed(database, Recorder()) == []
    assert event["source"] == "/valerix/payments"
    assert event["data"] == {
        "act": "it.changed",
        "actor": "olga",
        "role": "operator",
        "subject": "it",
        "what": {"n": 1},
    }
    assert OLGA.trace_id in event["traceparent"]
    assert OLGA.address not in bus.published[0].body.decode()
    assert [(message.topic, message.id) for message in bus.published] == [
        ("acts", "acts-payments-1")
    ]
    assert len(await on_record(database)) == 1


async def test_addresses_are_forgotten_after_a_year(database: Database) -> None:
    async with database.connection() as tx:
        for name in ("old", "new"):
            await acts.record(tx, acts.act_of(OLGA, name, "it"))
        await tx.execute(
            "UPDATE acts SET occurred_at = now() - interval '367 days' WHERE act = 'old'"
        )
        await ACTS.forget_addresses(tx)
        found = {act.act: act.address for act in await acts.list_acts(tx, ["it"])}
    assert found == {"old": None, "new": OLGA.address}
