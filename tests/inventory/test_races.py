"""Several replicas of the service work on one database at once."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from tests.inventory.conftest import Shop, assert_books_balance, order_id, replica, reserved
from tests.inventory.test_one_statement import somebody_waits
from valerix.chassis.postgres.database import CommitOutcomeUnknown, DatabaseUnavailable
from valerix.contracts.commands import ReservationEnded, StockReserved, StockShort
from valerix.contracts.states import ReservationStatus
from valerix.inventory.domain import OutOfStock
from valerix.inventory.schemas import AdjustBody

ROUNDS = 60


async def deadlocks(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return count
    finally:
        await connection.close()


async def test_two_replicas_racing_for_the_last_unit_sell_it_once(
    shop: Shop, other: Shop, url: str
) -> None:
    for number in range(ROUNDS):
        sku = f"LAST-{number}"
        await shop.add(sku, east=1)
        outcomes = await asyncio.gather(
            shop.reserve(order_id(), (sku, 1)), other.reserve(order_id(), (sku, 1))
        )
        assert sorted(type(o).__name__ for o in outcomes) == ["StockReserved", "StockShort"]
        assert await shop.level(sku) == (1, 1)
    await assert_books_balance(url)


async def test_the_same_order_sent_to_two_replicas_reserves_once(
    shop: Shop, other: Shop, url: str
) -> None:
    for number in range(ROUNDS):
        sku, order = f"SAME-{number}", order_id()
        await shop.add(sku, east=2)
        first, second = map(
            reserved,
            await asyncio.gather(shop.reserve(order, (sku, 2)), other.reserve(order, (sku, 2))),
        )
        assert {first.idempotent, second.idempotent} == {True, False}
        assert first.allocations == second.allocations
        assert await shop.level(sku) == (2, 2)
    await assert_books_balance(url)


async def test_one_order_with_different_lines_at_two_replicas_still_reserves_once(
    shop: Shop, other: Shop, url: str
) -> None:
    await shop.add("A", east=ROUNDS)
    await shop.add("B", east=ROUNDS)
    for _ in range(ROUNDS):
        order = order_id()
        outcomes = await asyncio.gather(
            shop.reserve(order, ("A", 1)), other.reserve(order, ("B", 1))
        )
        assert reserved(outcomes[0]).allocations == reserved(outcomes[1]).allocations
    assert (await shop.level("A"))[1] + (await shop.level("B"))[1] == ROUNDS
    await assert_books_balance(url)


async def test_a_release_racing_its_reserve_always_wins_in_the_end(
    shop: Shop, other: Shop, url: str
) -> None:
    await shop.add("A", east=3)
    for number in range(ROUNDS):
        order = order_id()
        reserve, release = shop.reserve(order, ("A", 3)), other.release(order)
        if number % 2:
            outcome, _ = await asyncio.gather(reserve, release)
        else:
            _, outcome = await asyncio.gather(release, reserve)
        assert isinstance(outcome, StockReserved | ReservationEnded)
        assert [s.state for s in await shop.release(order)] == ["released"]
        assert await shop.level("A") == (3, 0)
    await assert_books_balance(url)


async def test_a_flash_sale_sells_exactly_what_is_there(shop: Shop, other: Shop, url: str) -> None:
    await shop.add("HOT", east=70, west=30)

    async def buyer(shop: Shop) -> bool:
        outcome = await shop.reserve(order_id(), ("HOT", 1))
        assert isinstance(outcome, StockReserved | StockShort)
        return isinstance(outcome, StockReserved)

    replicas = [random.choice((shop, other)) for _ in range(500)]  # noqa: S311 - not secret
    sold = await asyncio.gather(*(buyer(replica) for replica in replicas))
    assert sum(sold) == 100
    assert await shop.level("HOT") == (100, 100)
    await assert_books_balance(url)


async def test_crossed_carts_never_deadlock(url: str) -> None:
    """Lines name products in opposite order, orders come in lists, some end: no deadlock."""
    skus = [f"X-{n}" for n in range(6)]
    async with replica(url) as first:
        for sku in skus:
            await first.add(sku, east=5000, west=5000)

    async def buyer(shop: Shop, number: int) -> None:
        mixed = random.Random(number)  # noqa: S311 - not secret
        for _ in range(12):
            orders = [order_id() for _ in range(mixed.randint(1, 6))]
            carts = [
                (o, *((sku, mixed.randint(1, 3)) for sku in mixed.sample(skus, 4))) for o in orders
            ]
            assert all(isinstance(o, StockReserved) for o in await shop.reserve_all(*carts))
            mixed.shuffle(orders)
            await asyncio.gather(shop.release(*orders[::2], order_id()), shop.commit(*orders[1::2]))

    async with replica(url) as a, replica(url) as b, replica(url) as c:
        await asyncio.gather(*(buyer((a, b, c)[n % 3], n) for n in range(18)))
    assert await deadlocks(url) == 0
    await assert_books_balance(url)


async def test_the_books_balance_after_a_storm(shop: Shop, other: Shop, url: str) -> None:
    skus = [f"S-{n}" for n in range(4)]
    for sku in skus:
        await shop.add(sku, east=20, west=15)
    orders = [order_id() for _ in range(40)]

    async def actor(shop: Shop, number: int) -> None:
        mixed = random.Random(number)  # noqa: S311 - not secret
        for _ in range(30):
            some = mixed.sample(orders, 3)
            match mixed.choice(["reserve", "reserve", "release", "commit", "adjust"]):
                case "reserve":
                    await shop.reserve_all(
                        *((o, (mixed.choice(skus), mixed.randint(1, 4))) for o in some)
                    )
                case "release":
                    await shop.release(*some)
                case "commit":
                    await shop.commit(*some)
                case _:
                    change = AdjustBody(
                        mixed.choice(skus), "WH-EAST", mixed.choice([-9, -4, 3, 8]), "counted"
                    )
                    with suppress(OutOfStock):
                        await shop.stock.adjust(change, "tester")

    await asyncio.gather(*(actor((shop, other)[n % 2], n) for n in range(10)))
    assert await deadlocks(url) == 0
    await assert_books_balance(url)


async def test_what_an_order_reserved_while_it_is_released_is_locked_in_its_turn(
    shop: Shop, other: Shop, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-EARLY comes before B-LATE: a transaction that holds B-LATE must not wait for A-EARLY."""
    early, late = order_id(), order_id()
    for sku in ("A-EARLY", "B-LATE"):
        await shop.add(sku, east=5)
    await shop.reserve(late, ("B-LATE", 2))
    reads, read = 0, shop.reserving._waiting.list_held
    rival = await asyncpg.connect(url)
    locks = rival.transaction()

    async def read_and_meet(*what: Any) -> list[str]:
        nonlocal reads
        reads += 1
        held = await read(*what)
        if reads == 1:
            await other.reserve(early, ("A-EARLY", 1))
            await locks.start()
            await rival.execute("SELECT FROM stock WHERE sku = 'A-EARLY' FOR UPDATE")
        return held

    monkeypatch.setattr(shop.reserving._waiting, "list_held", read_and_meet)
    releasing = asyncio.create_task(shop.release(late, early))
    await somebody_waits(url)
    await rival.execute("SELECT FROM stock WHERE sku = 'B-LATE' FOR UPDATE NOWAIT")
    await locks.rollback()
    await rival.close()
    assert {(state.state, state.empty) for state in await releasing} == {
        (ReservationStatus.RELEASED, False)
    }
    assert [await shop.level(sku) for sku in ("A-EARLY", "B-LATE")] == [(5, 0), (5, 0)]
    assert (reads, await deadlocks(url)) == (2, 0)
    await assert_books_balance(url)


async def test_orders_are_reserved_once_although_connections_die(shop: Shop, url: str) -> None:
    """A connection that dies may have committed: the answer is given only once that is known."""
    await shop.add("A", east=5000)
    done, answered = asyncio.Event(), asyncio.Event()

    async def assassin() -> None:
        connection = await asyncpg.connect(url)
        while not done.is_set():
            answered.clear()
            await connection.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend' AND state <> 'idle'
                """
            )
            await asyncio.sleep(0.03)
            await answered.wait()  # or a slow machine would let no buyer progress
        await connection.close()

    async def buyer() -> int:
        bought = 0
        for _ in range(25):
            order = order_id()
            for _ in range(20):
                try:
                    outcome = await shop.reserve(order, ("A", 1))
                except (CommitOutcomeUnknown, DatabaseUnavailable):
                    continue
                bought += isinstance(outcome, StockReserved)
                answered.set()
                break
        return bought

    killing = asyncio.create_task(assassin())
    bought = await asyncio.gather(*(buyer() for _ in range(8)))
    done.set()
    answered.set()
    await killing
    assert sum(bought) == 200
    assert await shop.level("A") == (5000, 200)
    await assert_books_balance(url)
