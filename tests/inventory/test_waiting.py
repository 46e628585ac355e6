"""The waiting list on a real database: units go to the oldest orders, whatever brings them."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.inventory.conftest import (
    EAST,
    WEST,
    Shop,
    assert_books_balance,
    replica,
    reserved,
    set_aside,
    told_ready,
)
from valerix.chassis.postgres.database import IMPOSSIBLE
from valerix.contracts.commands import (
    Allocation,
    ProductsUnknown,
    ReservationEnded,
    Shortage,
    StockReserved,
    StockShort,
)
from valerix.contracts.money import Money
from valerix.inventory.schemas import AdjustBody, ProductBody, UpdateBody

NOTHING: dict[str, int] = {}


# --- which order gets which units


async def test_what_is_there_is_set_aside_for_an_order_that_waits_and_nobody_overtakes_it(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=2, west=1)
    outcome = await shop.wait("o1", ("A", 5))
    assert isinstance(outcome, StockShort)
    assert outcome.shortages == [Shortage("A", 5, 3)]
    assert await set_aside(shop) == {"o1": {"A": 3}}
    newcomer = await shop.reserve("new", ("A", 1))
    assert isinstance(newcomer, StockShort)
    assert newcomer.shortages == [Shortage("A", 1, 0)]
    assert (await shop.stock.get_inventory("A")).available == 0
    await assert_books_balance(url)


async def test_a_delivery_goes_to_the_oldest_first_and_a_large_order_is_not_starved_by_small_ones(
    shop: Shop, url: str
) -> None:
    await shop.add("A")
    for number, units in ((3, 1), (1, 1), (2, 4), (4, 1)):  # not in order of acceptance
        await shop.wait(f"o{number}", ("A", units))
    await shop.bring("A", 2)
    assert await set_aside(shop) == {"o1": {"A": 1}, "o2": {"A": 1}, "o3": NOTHING, "o4": NOTHING}
    assert await told_ready(shop) == ["o1"]
    await shop.bring("A", 2, WEST)
    assert await told_ready(shop) == []
    await shop.bring("A", 3)
    assert await set_aside(shop) == {"o1": {"A": 1}, "o2": {"A": 4}, "o3": {"A": 1}, "o4": {"A": 1}}
    assert await told_ready(shop) == ["o2", "o3", "o4"]
    assert await shop.level("A") == (7, 7)
    await assert_books_balance(url)


async def test_what_is_set_aside_becomes_the_reservation(shop: Shop, url: str) -> None:
    await shop.add("A")
    await shop.add("B", west=1)
    await shop.wait("o1", ("B", 1), ("A", 3))
    await shop.bring("A", 1, WEST)
    await shop.bring("A", 9)
    assert await told_ready(shop) == ["o1"]
    outcome = reserved(await shop.wait("o1", ("B", 1), ("A", 3)))
    assert outcome.allocations == [
        Allocation("B", WEST, 1),
        Allocation("A", WEST, 1),
        Allocation("A", EAST, 2),
    ]
    assert not outcome.idempotent
    assert await set_aside(shop) == {}
    assert reserved(await shop.wait("o1", ("B", 1), ("A", 3))).idempotent
    assert await shop.level("A") == (10, 3)
    await assert_books_balance(url)
    await shop.commit("o1")
    assert await shop.level("A") == (7, 0)
    await assert_books_balance(url)


async def test_a_waiting_order_that_asks_again_keeps_what_it_has_and_takes_nothing_twice(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=2)
    await shop.add("B")
    await shop.wait("o1", ("A", 2), ("B", 1))
    await shop.bring("A", 5)
    again = await shop.wait("o1", ("A", 2), ("B", 1))
    assert isinstance(again, StockShort)
    assert again.shortages == [Shortage("B", 1, 0)]
    by_hand = await shop.reserve("o1", ("A", 2), ("B", 1))
    assert isinstance(by_hand, StockShort)
    assert await shop.level("A") == (7, 2)
    await shop.bring("B", 1)
    assert await shop.level("A") == (7, 2)
    reserved(await shop.reserve("o1", ("A", 2), ("B", 1)))
    assert await shop.level("A") == (7, 2)
    await assert_books_balance(url)


async def test_an_older_order_that_comes_late_gets_what_a_younger_one_waits_with(
    shop: Shop, url: str
) -> None:
    """Otherwise each order would wait for the units that the other one has."""
    await shop.add("A", east=1)
    await shop.add("B")
    await shop.wait("o2", ("A", 1), ("B", 1))
    await shop.wait("o1", ("A", 1), ("B", 1))
    assert await set_aside(shop) == {"o1": {"A": 1}, "o2": NOTHING}
    await shop.bring("B", 1)
    assert await told_ready(shop) == ["o1"]
    await assert_books_balance(url)


async def test_what_a_ready_order_has_it_keeps(shop: Shop, url: str) -> None:
    await shop.add("A")
    await shop.wait("o2", ("A", 1))
    await shop.bring("A", 1)
    await shop.wait("o1", ("A", 1))
    assert await set_aside(shop) == {"o1": NOTHING, "o2": {"A": 1}}
    reserved(await shop.wait("o2", ("A", 1)))
    await assert_books_balance(url)


async def test_an_order_of_an_older_place_is_reserved_at_once_with_what_younger_ones_wait_with(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=1)
    await shop.add("B")
    await shop.wait("o2", ("A", 1), ("B", 1))
    reserved(await shop.wait("o1", ("A", 1)))
    assert await set_aside(shop) == {"o2": NOTHING}
    await assert_books_balance(url)


async def test_equal_ages_go_by_the_number_of_the_order(shop: Shop) -> None:
    await shop.add("A")
    for order in ("o2", "o1", "o3"):
        await shop.wait(order, ("A", 1), minutes=0)
    await shop.bring("A", 2)
    assert await told_ready(shop) == ["o1", "o2"]


async def test_in_one_list_nobody_overtakes_either(shop: Shop, url: str) -> None:
    await shop.add("A", east=2)
    first, second = await asyncio.gather(shop.wait("o1", ("A", 3)), shop.reserve("new", ("A", 1)))
    assert isinstance(first, StockShort)
    assert isinstance(second, StockShort)
    await assert_books_balance(url)


# --- sources of units


BRINGING = ("adjust", "update", "release", "cancelled waiting", "edit")


@pytest.mark.parametrize("way", BRINGING)
async def test_whatever_brings_units_sets_them_aside_in_its_transaction(
    shop: Shop, url: str, way: str
) -> None:
    await shop.add("A", east=3)
    await shop.add("B")
    if way == "release":
        reserved(await shop.reserve("live", ("A", 3)))
    elif way in ("cancelled waiting", "edit"):
        await shop.wait("o1", ("A", 3), ("B", 1))
    else:
        await shop.stock.adjust(AdjustBody("A", EAST, -3, "broken"), "olga")
    await shop.wait("o5", ("A", 2))
    assert await set_aside(shop) | {"o1": None} == {"o1": None, "o5": NOTHING}
    await told_ready(shop)
    match way:
        case "adjust":
            await shop.bring("A", 3)
        case "update":
            await shop.stock.update(UpdateBody("A", 3, "key"), "olga")
        case "release":
            await shop.release("live")
        case "cancelled waiting":
            await shop.release("o1")
            assert isinstance(await shop.wait("o1", ("A", 3)), ReservationEnded)
        case _:
            await shop.wait("o1", ("B", 2))
    assert await told_ready(shop) == ["o5"]
    assert (await set_aside(shop))["o5"] == {"A": 2}
    assert (await shop.stock.get_inventory("A")).available == 1
    await assert_books_balance(url)


@pytest.mark.parametrize("way", ["cancelled", "edited"])
async def test_what_an_order_gives_up_that_lacked_more_goes_to_the_next(
    shop: Shop, url: str, way: str
) -> None:
    await shop.add("A", east=1)
    await shop.add("B")
    await shop.wait("o1", ("A", 4))
    await shop.wait("o2", ("A", 1))
    if way == "cancelled":
        await shop.release("o1")
    else:
        await shop.wait("o1", ("B", 1))
    assert await told_ready(shop) == ["o2"]
    await assert_books_balance(url)


async def test_the_answer_of_a_change_says_what_is_left(shop: Shop) -> None:
    await shop.add("A")
    await shop.wait("o1", ("A", 2))
    answer = await shop.stock.adjust(AdjustBody("A", EAST, 3, "delivery"), "olga")
    assert (answer.on_hand, answer.reserved, answer.available, answer.seq) == (3, 2, 1, 2)


async def test_what_is_set_aside_cannot_be_taken_out_by_hand(shop: Shop) -> None:
    await shop.add("A", east=2)
    await shop.wait("o1", ("A", 3))
    with pytest.raises(Exception, match="Not enough of A"):
        await shop.stock.adjust(AdjustBody("A", EAST, -1, "broken"), "olga")


# --- changes of its lines


async def test_an_edited_order_keeps_its_place_and_gives_up_what_it_does_not_want(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=3)
    await shop.add("B", east=1)
    await shop.add("C")
    await shop.wait("o1", ("A", 4))
    await shop.wait("o2", ("A", 1), ("B", 2))
    outcome = await shop.wait("o1", ("A", 2), ("C", 1))
    assert isinstance(outcome, StockShort)
    assert outcome.shortages == [Shortage("C", 1, 0)]
    assert await set_aside(shop) == {"o1": {"A": 2}, "o2": {"A": 1, "B": 1}}
    await shop.wait("o3", ("C", 1))
    await shop.bring("C", 1)
    assert await told_ready(shop) == ["o1"]
    await assert_books_balance(url)


async def test_a_ready_order_that_is_edited_waits_again_or_is_reserved(
    shop: Shop, url: str
) -> None:
    await shop.add("A")
    await shop.add("B")
    for order in ("o1", "o2"):
        await shop.wait(order, ("A", 2))
    await shop.bring("A", 4)
    assert await told_ready(shop) == ["o1", "o2"]
    assert isinstance(await shop.wait("o1", ("A", 1), ("B", 1)), StockShort)
    reserved(await shop.wait("o2", ("A", 1)))
    await shop.bring("B", 1)
    assert await told_ready(shop) == ["o1"]
    assert (await shop.stock.get_inventory("A")).available == 2
    await assert_books_balance(url)


# --- products not sold


async def test_nothing_is_set_aside_of_what_is_not_sold_any_more_until_it_is_sold_again(
    shop: Shop, url: str
) -> None:
    await shop.add("A")
    await shop.wait("o1", ("A", 1))
    body = ProductBody("The A", Money(500, "USD"))
    await shop.catalogue.replace_product(
        "A", ProductBody("The A", Money(500, "USD"), active=False), None
    )
    await shop.bring("A", 1)
    assert isinstance(await shop.wait("o1", ("A", 1)), ProductsUnknown)
    assert await set_aside(shop) == {"o1": NOTHING}
    await shop.catalogue.replace_product("A", body, None)
    assert await told_ready(shop) == ["o1"]
    await assert_books_balance(url)


async def test_the_sweep_hands_out_what_is_left_although_an_order_waits_for_it(
    shop: Shop, url: str
) -> None:
    await shop.add("A")
    await shop.wait("o1", ("A", 1))
    async with shop.database.transaction() as tx:  # as an earlier version left it
        await tx.execute("UPDATE products SET active = false")
    await shop.bring("A", 1)
    async with shop.database.transaction() as tx:
        await tx.execute("UPDATE products SET active = true")
    await shop.reserving.sweep("tester")
    assert await told_ready(shop) == ["o1"]
    await assert_books_balance(url)


# --- units held for too long


async def test_what_is_set_aside_for_too_long_completes_others_and_the_place_is_kept(
    url: str,
) -> None:
    async with replica(url, timedelta(0)) as shop:
        await shop.add("A", east=2)
        await shop.add("B")
        await shop.wait("o1", ("A", 2), ("B", 1))
        await shop.wait("o2", ("A", 3))  # the units of o1 do not complete it
        await shop.wait("o3", ("A", 1))
        await shop.wait("o4", ("A", 1), ("B", 1))  # nor this one
        await shop.add("C", east=1)
        await shop.wait("o5", ("A", 1), ("C", 1))  # has the other half already
        await told_ready(shop)
        await shop.reserving.sweep("tester")
        assert await told_ready(shop) == ["o3", "o5"]
        await assert_books_balance(url)
        await shop.bring("A", 2)
        await shop.bring("B", 1)
        assert await told_ready(shop) == ["o1"]
        await assert_books_balance(url)


async def test_all_that_hold_for_too_long_are_looked_at(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valerix.inventory.reserving.SWEEP_LIMIT", 1)
    async with replica(url, timedelta(0)) as shop:
        await shop.add("NEVER")
        for order, sku in (("o1", "A"), ("o2", "B"), ("o3", "C")):
            await shop.add(sku, east=1)
            await shop.wait(order, (sku, 1), ("NEVER", 1))
        await shop.wait("o9", ("C", 1))  # the last holder to be read has its unit
        await told_ready(shop)
        await shop.reserving.sweep("tester")
        assert await told_ready(shop) == ["o9"]


async def test_what_is_set_aside_is_not_passed_on_before_its_time(shop: Shop) -> None:
    await shop.add("A", east=1)
    await shop.add("B")
    await shop.wait("o1", ("A", 1), ("B", 1))
    await shop.wait("o2", ("A", 1))
    await shop.reserving.sweep("tester")
    assert await set_aside(shop) == {"o1": {"A": 1}, "o2": NOTHING}


# --- many at once


async def test_a_list_that_cannot_be_stored_fails_alone(shop: Shop, url: str) -> None:
    await shop.add("A", east=1)
    outcomes = await asyncio.gather(
        shop.wait("o1", ("A", 2)),
        shop.wait("o\ud800", ("A", 1), minutes=5),
        shop.wait("o2", ("A", 1)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, IMPOSSIBLE) for outcome in outcomes] == [False, True, False]
    assert (await set_aside(shop)).keys() <= {"o1", "o2"}
    await assert_books_balance(url)


@pytest.fixture
async def hasty(url: str) -> AsyncIterator[Shop]:
    """A replica that passes on the units of incomplete orders at once."""
    async with replica(url, timedelta(0)) as shop:
        yield shop


async def test_in_a_crowd_units_are_handed_out_in_order_of_age(
    shop: Shop, other: Shop, hasty: Shop, url: str
) -> None:
    """Two replicas, mixed sizes, three products; all sources of units, edits and sweeps at once."""
    mixed = random.Random(19)  # noqa: S311 - not secret
    skus = ["A", "B", "C"]
    for sku in skus:
        await shop.add(sku, east=2)

    def lines() -> list[tuple[str, int]]:
        return [(sku, mixed.randint(1, 4)) for sku in mixed.sample(skus, mixed.randint(1, 3))]

    orders = {f"o{number:02}": lines() for number in range(1, 41)}
    live = set[str]()

    async def ask(order: str) -> None:
        outcome = await mixed.choice((shop, other)).wait(order, *orders[order])
        if isinstance(outcome, StockReserved):
            live.add(order)

    async def stop_selling(sku: str) -> None:
        for active in (False, True):
            body = ProductBody(f"The {sku}", Money(500, "USD"), active=active)
            await other.catalogue.replace_product(sku, body, None)

    for _ in range(12):
        some = mixed.sample(sorted(orders), 10)
        orders |= {order: lines() for order in some[:2]}
        await asyncio.gather(
            *(ask(order) for order in some),
            *(
                mixed.choice((shop, other)).bring(
                    sku, mixed.randint(1, 3), mixed.choice((EAST, WEST))
                )
                for sku in skus
            ),
            shop.release(*mixed.sample(sorted(orders), 2)),
            *(other.reserve(f"new-{mixed.random()}", (sku, 1)) for sku in skus),
            hasty.reserving.sweep("tester"),
            stop_selling(mixed.choice(skus)),
        )
        await assert_books_balance(url)
    for _ in range(3):
        for sku in skus:
            await shop.bring(sku, 60)
        await asyncio.gather(*(ask(order) for order in orders))
    assert await set_aside(shop) == {}
    assert len(live) > len(orders) // 3
    await assert_books_balance(url)
