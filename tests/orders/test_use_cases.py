"""Orders on a real database: acceptance, fences and answers. The services behind are real processes
in tests/system.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.orders.statements import DRIVING, PLACING, SEARCH
from tests.orders.test_domain import NOW, RETRY
from tests.orders.test_one_answer import directory
from tests.orders.test_quote import Shop
from tests.support.stock_wait import NO_STOCK_WAIT, STOCK_WAIT
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import Database
from valerix.contracts.commands import Allocation
from valerix.orders import decisions, errors
from valerix.orders.composition import connect
from valerix.orders.decisions import Decision
from valerix.orders.order import Order, OrderFilter, OrderLine
from valerix.orders.placing import new_order
from valerix.orders.repository.driving import Finished
from valerix.orders.repository.placing import Accepting
from valerix.orders.saga import Saga, Services
from valerix.orders.schemas import view

LEASE = timedelta(seconds=20)


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4) as opened:
        yield opened


def accepting(key: bytes | None = None, product: str = "PROD-001") -> Accepting:
    order = new_order("CUST-001", [OrderLine(product, 2)], "card_ok", "hold", None)
    return Accepting(
        order, key, b"fingerprint", "t" * 32, msgspec.json.encode(view(order)).decode()
    )


def finishing(order: Order, decision: Decision, answer: int | None = None) -> Finished:
    if decision.status == "confirmed":
        order.allocations, order.total_minor, order.currency = (
            [Allocation("PROD-001", "W", 2)],
            5,
            "USD",
        )
    order.move(decision.status, datetime.now(UTC))
    order.error_code, order.held_until = decision.error_code, decision.held_until
    data = msgspec.json.encode(view(order)).decode()
    return Finished(order, decision.event, data, "[]", decision.due_in, "t" * 32, answer, None)


async def accept(database: Database, *wanted: Accepting) -> set[str]:
    return (await database.repeat(lambda tx: PLACING.insert_orders(tx, wanted, LEASE))).ids


async def finish(database: Database, *finished: Finished) -> set[str]:
    return await database.repeat(lambda tx: DRIVING.finish_orders(tx, finished))


async def claim(database: Database, limit: int = 100) -> list[Order]:
    return await database.repeat(lambda tx: DRIVING.claim_due(tx, limit, LEASE))


async def make_due(database: Database) -> None:
    async with database.connection() as tx:
        await tx.execute("UPDATE orders SET due_at = now() WHERE due_at IS NOT NULL")


async def test_one_key_makes_one_order_even_within_one_batch(database: Database) -> None:
    twins = [
        accepting(b"same"),
        accepting(b"same"),
        accepting(b"other"),
        accepting(None),
        accepting(None),
    ]
    assert len(await accept(database, *twins)) == 4


async def test_inserting_again_after_an_unknown_outcome_changes_nothing(database: Database) -> None:
    wanted = accepting(b"key")
    assert await accept(database, wanted) == {wanted.order.id}
    assert await accept(database, wanted) == set()
    async with database.connection() as tx:
        (known,) = await PLACING.list_existing(tx, [wanted.order.id], [])
        assert known.order == wanted.order
        assert len(await SEARCH.list_events(tx, wanted.order.id)) == 1


async def test_ids_with_quotes_and_backslashes_are_stored_as_they_are(database: Database) -> None:
    strange = 'a"b\\c{d},e'
    wanted = accepting(product=strange)
    await accept(database, wanted)
    async with database.connection() as tx:
        order = await SEARCH.find_order(tx, wanted.order.id, None)
        assert order is not None
        assert order.lines[0].product_id == strange
        assert await tx.fetchval("SELECT product_id FROM order_products") == strange


async def test_whoever_lost_its_lease_writes_nothing(database: Database) -> None:
    wanted = accepting()
    await accept(database, wanted)
    await make_due(database)
    (taken,) = await claim(database)
    assert (
        await finish(database, finishing(wanted.order, decisions.confirmed(timedelta(0)), 201))
        == set()
    )
    assert await finish(
        database, finishing(taken, decisions.failed(errors.UnknownProduct, "x"), 422)
    ) == {taken.id}
    async with database.connection() as tx:
        (known,) = await PLACING.list_existing(tx, [taken.id], [])
    assert (known.order.status, known.answer_status) == ("failed", 422)


async def test_a_due_order_is_claimed_once(database: Database) -> None:
    await accept(database, *[accepting() for _ in range(10)])
    assert await claim(database) == []
    await make_due(database)
    first, second = await claim(database, 6), await claim(database, 6)
    assert len(first) == 6
    assert len(second) == 4
    assert not {o.id for o in first} & {o.id for o in second}


async def test_the_first_definite_answer_stays_for_ever(database: Database) -> None:
    wanted = accepting(b"key")
    await accept(database, wanted)
    held = decisions.short_of_stock(wanted.order, "x", STOCK_WAIT, NOW, asked=False)
    await finish(
        database, finishing(wanted.order, held, 409)._replace(answer_body='{"first": true}')
    )
    await finish(database, finishing(wanted.order, decisions.confirmed(timedelta(0)), 201))
    async with database.connection() as tx:
        (known,) = await PLACING.list_existing(tx, [], [b"key"])
    assert (known.order.status, known.answer_status, known.answer_body) == (
        "confirmed",
        409,
        '{"first": true}',
    )


async def test_the_answer_is_the_confirming_event_byte_for_byte(database: Database) -> None:
    wanted = accepting(b"key")
    await accept(database, wanted)
    finished = finishing(wanted.order, decisions.confirmed(timedelta(0)), 201)
    await finish(database, finished)
    async with database.connection() as tx:
        (known,) = await PLACING.list_existing(tx, [], [b"key"])
    assert known.answer_body == finished.data


async def test_versions_have_no_gap_when_passes_race(database: Database) -> None:
    wanted = accepting()
    await accept(database, wanted)
    for _ in range(3):
        await make_due(database)
        (taken,) = await claim(database)
        stale = msgspec.convert(msgspec.to_builtins(taken), Order)
        assert await finish(
            database, finishing(taken, decisions.delayed(taken, "c", "m", RETRY, 0))
        )
        assert not await finish(
            database, finishing(stale, decisions.delayed(stale, "c", "m", RETRY, 0))
        )
    async with database.connection() as tx:
        versions = [entry.version for entry in await SEARCH.list_events(tx, wanted.order.id)]
    assert versions == [1, 2, 3, 4]


async def test_an_order_is_found_by_the_products_it_has_now(database: Database) -> None:
    wanted = accepting(product="OLD-1")
    await accept(database, wanted)
    held = decisions.short_of_stock(wanted.order, "x", STOCK_WAIT, NOW, asked=False)
    await finish(database, finishing(wanted.order, held, 409))
    shop = Shop(**{"NEW-1": 1, "NEW-2": 2, "OLD-1": 3})
    saga = Saga(Services(shop, shop, shop), directory, NO_STOCK_WAIT, timedelta(0), RETRY, 0)
    orders = connect(database, database, saga, lambda: None, max_concurrent_batches=1)

    async def change(*products: str) -> None:
        lines = [OrderLine(product, 1) for product in products]
        await orders.changes.change(
            wanted.order.id,
            None,
            version=None,
            lines=lines,
            expected_total=None,
            address=None,
            deadline=Deadline.after(60),
        )

    async def has(product: str) -> bool:
        by_product = OrderFilter(limit=1, ascending=True, product_id=product)
        found = await orders.queries.search(by_product, Deadline.after(60), by_name=False)
        by_text = OrderFilter(limit=1, ascending=True, search=product)
        assert found == await orders.queries.search(by_text, Deadline.after(60), by_name=False)
        return bool(found)

    assert await has("OLD-1")
    await change("NEW-1", "NEW-2", "NEW-1")
    assert [await has(product) for product in ("OLD-1", "NEW-1", "NEW-2")] == [False, True, True]
    await change("NEW-2", "OLD-1")
    assert [await has(product) for product in ("OLD-1", "NEW-1", "NEW-2")] == [True, False, True]


async def test_lists_page_on_the_id_and_filter_by_everything(database: Database) -> None:
    wanted = [accepting(product=f"PROD-{i % 2}") for i in range(5)]
    await accept(database, *wanted)
    ids = sorted((a.order.id for a in wanted), reverse=True)

    async def listed(**given: Any) -> list[str]:
        async with database.connection() as tx:
            return [
                o.id for o in await SEARCH.list_orders(tx, OrderFilter(**{"limit": 10, **given}))
            ]

    assert await listed() == ids
    assert await listed(limit=2) == ids[:2]
    assert await listed(after=ids[1]) == ids[2:]
    assert await listed(ascending=True) == ids[::-1]
    assert await listed(owner_id="CUST-002") == []
    assert len(await listed(product_id="PROD-0")) == 3
    assert await listed(search=ids[3].upper()) == [ids[3]]
    assert await listed(search=f" {ids[3][:8]}…{ids[3][-6:]} ") == [ids[3]]
    assert await listed(search=ids[0][:8]) == ids
    assert await listed(search="cust-001") == ids
    assert await listed(search="…") == []
    assert len(await listed(search="PROD-1", statuses=["pending", "failed"])) == 2
    assert await listed(last=ids[-1]) == []
    assert await listed(first=ids[0]) == ids[:1]
