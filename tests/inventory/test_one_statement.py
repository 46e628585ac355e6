"""Reserving and ending in one statement: its answers, when it changes nothing, and its races."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.inventory.conftest import (
    EAST,
    WEST,
    Shop,
    assert_books_balance,
    order_id,
    priced,
    reserved,
)
from tests.inventory.statements import RESERVATIONS, STOCK
from valerix.chassis.base.deadline import Deadline
from valerix.contracts.commands import (
    Line,
    ProductsUnknown,
    ReservationEnded,
    ReserveStock,
    Shortage,
    StockShort,
)
from valerix.contracts.states import ReservationStatus
from valerix.inventory.domain import Ending, Initiator, ReserveLine
from valerix.inventory.reserving import Reserving
from valerix.inventory.schemas import AdjustBody, ProductBody
from valerix.inventory.settling import settle

ORIGIN = Initiator("tester", "0" * 32)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that had to be settled one by one."""
    sizes: list[int] = []
    settle = Reserving._settle

    async def counted(
        flow: Reserving, connection: Connection, asked: list[tuple[ReserveStock, Initiator]]
    ) -> object:
        sizes.append(len(asked))
        return await settle(flow, connection, asked)

    monkeypatch.setattr(Reserving, "_settle", counted)
    return sizes


@asynccontextmanager
async def holding(shop: Shop, sku: str) -> AsyncIterator[Connection]:
    """Another transaction that has locked the stock of `sku`."""
    async with shop.database.transaction() as tx:
        await STOCK.lock_offers(tx, [sku])
        yield tx


async def somebody_waits(url: str) -> None:
    """Return as soon as a statement waits for a lock."""
    connection = await asyncpg.connect(url)
    try:
        waiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
        while not await connection.fetchval(waiting):
            await asyncio.sleep(0.005)
    finally:
        await connection.close()


async def kinds(shop: Shop, sku: str) -> list[str]:
    return [m.kind for m in reversed(await shop.stock.list_movements(sku, None, 100))]


# --- its answers


async def test_one_statement_answers_like_the_rules(
    shop: Shop, url: str, settled: list[int]
) -> None:
    """Batches of any shape on shelves that run empty: outcomes as those of `settle`, and books
    balance.
    """
    mixed = random.Random(7)  # noqa: S311 - not secret
    skus = [f"M-{n}" for n in range(5)]
    for sku in skus:
        await shop.add(sku, east=mixed.randint(0, 60), west=mixed.randint(0, 60))
    batches, live = 60, dict[str, dict[tuple[str, str], int]]()
    for _ in range(batches):
        asked = [
            (
                ReserveStock(
                    order_id(),
                    [Line(mixed.choice(skus), mixed.randint(1, 4)) for _ in range(lines)],
                ),
                ORIGIN,
            )
            for lines in mixed.choices([1, 2, 3, 4], k=mixed.randint(1, 5))
        ]
        async with shop.database.transaction() as tx:
            offers = await STOCK.lock_offers(tx, skus)
        expected = settle(asked, offers, {}, {})
        outcomes = await shop.reserving.reserve(
            [command for command, _ in asked], "tester", Deadline.after(30)
        )
        assert outcomes == expected.outcomes
        for r in expected.opened:
            live[r.order_id] = {(a.product_id, a.warehouse_id): a.quantity for a in r.allocations}
        some = mixed.sample(sorted(live), len(live) // 2)
        before = await levels(shop, skus)
        ends = {i: mixed.choice(["released", "committed"]) for i in some}
        await asyncio.gather(
            shop.release(*(i for i in some if ends[i] == "released")),
            shop.commit(*(i for i in some if ends[i] == "committed")),
        )
        for i in some:
            for place, quantity in live.pop(i).items():
                on_hand, held = before[place]
                before[place] = (on_hand - quantity * (ends[i] == "committed"), held - quantity)
        assert await levels(shop, skus) == before
    assert 0 < len(settled) < batches, "both paths were taken"
    await assert_books_balance(url)


async def levels(shop: Shop, skus: list[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """The stock of each row: (on hand, reserved)."""
    async with shop.database.transaction() as tx:
        offers = await STOCK.lock_offers(tx, skus)
    return {
        (s.sku, s.warehouse_id): (s.on_hand, s.reserved) for o in offers.values() for s in o.shelves
    }


async def test_a_shelf_that_has_nothing_left_is_passed_over(shop: Shop, settled: list[int]) -> None:
    await shop.add("A", east=2, west=5)
    for where, quantity in ((EAST, 2), (WEST, 3), (WEST, 2)):
        (allocation,) = reserved(await shop.reserve(order_id(), ("A", quantity))).allocations
        assert (allocation.warehouse_id, allocation.quantity) == (where, quantity)
    assert settled == []


async def test_an_order_named_more_than_once_in_a_list_ends_as_first_asked(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=5)
    await shop.reserve("o1", ("A", 2))
    asked = [
        ("o2", "committed"),
        ("o1", "released"),
        ("o2", "released"),
        ("o1", "committed"),
        ("o2", "committed"),
    ]
    async with shop.database.connection() as connection:
        endings = [(Ending(order, ReservationStatus(state)), ORIGIN) for order, state in asked]
        done = await shop.reserving._end(connection, endings)
    assert [(s.order_id, s.state, s.idempotent) for s in done.outcomes] == [
        ("o2", "absent", False),
        ("o1", "released", False),
        ("o2", "released", False),
        ("o1", "released", True),
        ("o2", "released", True),
    ]
    assert done.kinds == ["release"]
    await assert_books_balance(url)


# --- when it changes nothing


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param([("new", "A", 2), ("other", "A", 2)], id="one shelf has too little for all"),
        pytest.param(
            [("new", "A", 1), ("new", "B", 1), ("other", "GONE", 1)], id="not sold any more"
        ),
        pytest.param([("new", "A", 1), ("other", "NOT-THERE", 1)], id="unknown"),
        pytest.param([("new", "A", 1), ("other", "EMPTY", 1)], id="nowhere in stock"),
        pytest.param([("new", "A", 1), ("old", "B", 1)], id="an order is known"),
        pytest.param([("new", "A", 1), ("ended", "B", 1)], id="an order has ended"),
    ],
)
async def test_what_does_not_all_fit_changes_nothing(
    shop: Shop, url: str, claims: list[tuple[str, str, int]]
) -> None:
    await shop.add("A", east=3, west=9)
    for sku in ("B", "GONE"):
        await shop.add(sku, east=9)
    await shop.add("EMPTY")
    await shop.reserve("old", ("B", 1))
    await shop.release("ended")
    await shop.catalogue.delete_product("GONE")
    async with shop.database.connection() as connection:
        assert (
            await RESERVATIONS.take(connection, [ReserveLine(*claim, *ORIGIN) for claim in claims])
            == {}
        )
        assert await connection.fetchval(
            "SELECT array_agg(order_id ORDER BY order_id) FROM reservations"
        ) == [
            "ended",
            "old",
        ]
        assert (
            await connection.fetchval("SELECT count(*) FROM movements WHERE kind = 'reserve'") == 1
        )
    await assert_books_balance(url)


# --- races with other transactions


async def test_who_waited_for_a_shelf_sees_what_was_left_there(
    shop: Shop, url: str, settled: list[int]
) -> None:
    await shop.add("A", east=5)
    async with holding(shop, "A") as tx:
        waiting = asyncio.create_task(shop.reserve("o1", ("A", 3)))
        await somebody_waits(url)
        await RESERVATIONS.take(tx, [ReserveLine("o2", "A", 2, *ORIGIN)])
    reserved(await waiting)
    assert await shop.level("A") == (5, 5)
    assert settled == []
    await assert_books_balance(url)


async def test_who_waited_for_a_shelf_that_was_emptied_gets_nothing(shop: Shop, url: str) -> None:
    await shop.add("A", east=5)
    async with holding(shop, "A") as tx:
        waiting = asyncio.create_task(shop.reserve("o1", ("A", 3)))
        await somebody_waits(url)
        await RESERVATIONS.take(tx, [ReserveLine("o2", "A", 4, *ORIGIN)])
    assert await waiting == StockShort("o1", [Shortage("A", 3, 1)], [priced("A")])
    assert await shop.level("A") == (5, 4)
    await assert_books_balance(url)


async def test_a_reserve_that_was_overtaken_by_its_release_leaves_nothing(
    shop: Shop, url: str
) -> None:
    """The release came after the statement looked for it: the unique key makes all of it fail."""
    await shop.add("A", east=5)
    await shop.add("B", east=5)
    async with holding(shop, "A"):
        waiting = asyncio.create_task(
            shop.reserve_all(("o1", ("A", 1)), ("o2", ("A", 2), ("B", 2)))
        )
        await somebody_waits(url)
        await shop.release("o2")
    first, second = await waiting
    reserved(first)
    assert second == ReservationEnded("o2", ReservationStatus.RELEASED)
    assert (await shop.level("A"), await shop.level("B")) == ((5, 1), (5, 0))
    await assert_books_balance(url)


async def test_an_end_that_was_overtaken_moves_nothing_and_tells_how_it_ended(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=5)
    await shop.reserve_all(("o1", ("A", 1)), ("o2", ("A", 2)))
    async with holding(shop, "A") as tx:
        waiting = asyncio.create_task(shop.commit("o1", "o2"))
        await somebody_waits(url)
        await RESERVATIONS.end(tx, [(Ending("o1", ReservationStatus.RELEASED), ORIGIN)])
    states = await waiting
    assert [(s.state, s.idempotent) for s in states] == [("released", True), ("committed", False)]
    assert await kinds(shop, "A") == ["receive", "reserve", "reserve", "release", "commit"]
    assert await shop.level("A") == (3, 0)
    await assert_books_balance(url)


async def test_a_product_taken_out_of_sale_is_refused(shop: Shop) -> None:
    await shop.add("A", east=5)
    product = await shop.catalogue.get_product("A")
    await shop.catalogue.replace_product(
        "A", ProductBody(product.name, product.price, active=False), None
    )
    assert await shop.reserve("o1", ("A", 1)) == ProductsUnknown("o1", ["A"])


async def test_replicas_on_one_row_wait_for_each_other_and_never_start_again(
    shop: Shop, other: Shop, url: str, settled: list[int]
) -> None:
    """Contention costs waiting, not work: no batch is settled one by one, none runs twice."""
    await shop.add("HOT", east=100_000)

    async def client(shop: Shop) -> None:
        for _ in range(15):
            order = order_id()
            assert not reserved(await shop.reserve(order, ("HOT", 1))).idempotent
            (state,) = await shop.commit(order)
            assert not state.idempotent

    await asyncio.gather(*(client((shop, other)[n % 2]) for n in range(40)))
    assert settled == []
    assert await shop.level("HOT") == (100_000 - 15 * 40, 0)
    await assert_books_balance(url)


async def test_changes_by_hand_and_orders_take_turns_on_one_row(
    shop: Shop, other: Shop, url: str
) -> None:
    await shop.add("A", east=50)

    async def counting() -> None:
        for _ in range(20):
            await other.stock.adjust(AdjustBody("A", EAST, 1, "counted"), "tester")

    async def client() -> None:
        for _ in range(10):
            order = order_id()
            reserved(await shop.reserve(order, ("A", 1)))
            await shop.release(order)

    await asyncio.gather(counting(), *(client() for _ in range(10)))
    assert await shop.level("A") == (70, 0)
    await assert_books_balance(url)


async def test_units_that_arrive_while_a_shelf_is_waited_for_can_be_reserved(
    shop: Shop, other: Shop, url: str, settled: list[int]
) -> None:
    """The earlier version of the row has too few units: the new row must not be checked with it."""
    await shop.add("ARRIVE", east=2)
    async with holding(other, "ARRIVE") as tx:
        reserving = asyncio.create_task(shop.reserve(order_id(), ("ARRIVE", 4)))
        await somebody_waits(url)
        await tx.execute("UPDATE stock SET on_hand = 6 WHERE sku = 'ARRIVE'")
    assert reserved(await reserving).allocations
    assert (await shop.level("ARRIVE"), settled) == ((6, 4), [])
