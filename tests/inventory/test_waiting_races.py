"""Changes of an order at the very moment in which it joins the waiting list."""

import asyncio

import pytest

from tests.inventory.conftest import (
    EAST,
    NOON,
    Shop,
    assert_books_balance,
    reserved,
    set_aside,
    told_ready,
)
from tests.inventory.statements import RESERVATIONS, STOCK, WAITING
from tests.inventory.test_one_statement import ORIGIN, somebody_waits
from valerix.chassis.postgres.database import Transaction
from valerix.contracts.commands import ReservationEnded
from valerix.contracts.states import ReservationStatus
from valerix.inventory.domain import ADJUST, Cause, Ending, ReserveLine, change
from valerix.inventory.repository.waiting import WaitingRepository
from valerix.inventory.waiting import WaitingOrder
from valerix.inventory.waiting_list import WaitingList


@pytest.mark.parametrize("way", ["released", "reserved"])
async def test_an_order_that_ends_or_is_reserved_at_that_moment_does_not_come_to_the_list(
    shop: Shop, url: str, way: str
) -> None:
    """Otherwise it would have units set aside that nothing gives back."""
    await shop.add("A", east=1)
    await shop.add("B", east=1)
    async with shop.database.transaction() as tx:
        if way == "released":
            await RESERVATIONS.end(tx, [(Ending("o1", ReservationStatus.RELEASED), ORIGIN)])
        else:
            assert await RESERVATIONS.take(tx, [ReserveLine("o1", "B", 1, *ORIGIN)])
        coming = asyncio.create_task(shop.wait("o1", ("A", 2)))
        await somebody_waits(url)
    outcome = await coming
    if way == "released":
        assert outcome == ReservationEnded("o1", ReservationStatus.RELEASED)
    else:
        assert reserved(outcome).idempotent
    assert await set_aside(shop) == {}
    assert await shop.level("A") == (1, 0)
    await assert_books_balance(url)


async def test_a_release_takes_an_order_off_the_list_that_comes_to_it_at_that_moment(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=1)
    async with shop.database.transaction() as tx:
        await WAITING.save(tx, [WaitingOrder("o1", NOON, ORIGIN.trace_id, {"A": 2}, changed=True)])
        ending = asyncio.create_task(shop.release("o1"))
        await somebody_waits(url)
    (state,) = await ending
    assert (state.state, state.idempotent) == (ReservationStatus.RELEASED, False)
    assert await set_aside(shop) == {}
    await assert_books_balance(url)


async def test_only_orders_that_units_may_be_taken_from_are_looked_at_however_many_hold_some(
    shop: Shop, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows are locked with the stock, and other orders wait for these locks."""
    loaded: list[int] = []
    read_lines = WaitingRepository.read_lines

    async def counted(
        self: WaitingRepository, tx: Transaction, orders: dict[str, WaitingOrder]
    ) -> None:
        loaded.append(len(orders))
        await read_lines(self, tx, orders)

    monkeypatch.setattr(WaitingRepository, "read_lines", counted)
    await shop.add("PLENTY", east=1000)
    await shop.add("SCARCE")
    for number in range(10, 60):
        await shop.wait(f"o{number}", ("PLENTY", 1), ("SCARCE", 1))
    assert max(loaded) == 1
    await shop.release("o30")
    await shop.bring("SCARCE", 2)
    assert await told_ready(shop) == ["o10", "o11"]
    await shop.wait("o5", ("SCARCE", 1), ("PLENTY", 2))
    assert max(loaded) <= 4
    await assert_books_balance(url)


async def test_an_order_that_gets_what_it_lacked_at_that_moment_is_not_taken_from(
    shop: Shop, other: Shop, url: str
) -> None:
    """The next youngest order is: it was not among the orders that were read."""
    await shop.add("A", east=2)
    await shop.add("B")
    await shop.add("C")
    await shop.wait("o8", ("A", 1), ("C", 1))
    await shop.wait("o9", ("A", 1), ("B", 1))
    async with other.database.transaction() as tx:
        await STOCK.open_shelf(tx, "B", EAST)
        offers = await STOCK.lock_offers(tx, ["B"])
        movements = change(offers["B"], 1, Cause(ADJUST, None, None, "delivery", *ORIGIN))
        movements += await WaitingList(STOCK, WAITING).serve(tx, offers, ORIGIN)
        await STOCK.write(tx, movements)
        coming = asyncio.create_task(shop.wait("o1", ("A", 1), ("C", 1)))
        await somebody_waits(url)
    await coming
    assert await set_aside(shop) == {"o1": {"A": 1}, "o8": {}, "o9": {"A": 1, "B": 1}}
