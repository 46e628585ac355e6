"""What is done for an order in the very moment in which it comes to the waiting list."""

import asyncio

import pytest

from tests.inventory.conftest import NOON, Shop, assert_books_balance, reserved, set_aside
from tests.inventory.statements import RESERVATIONS, WAITING
from tests.inventory.test_one_statement import ORIGIN, somebody_waits
from valerix.contracts.commands import ReservationEnded
from valerix.contracts.states import ReservationStatus
from valerix.inventory.domain import Ending, ReserveLine
from valerix.inventory.waiting import WaitingOrder


@pytest.mark.parametrize("way", ["released", "reserved"])
async def test_an_order_that_ends_or_is_reserved_at_that_moment_does_not_come_to_the_list(
    shop: Shop, url: str, way: str
) -> None:
    """It would have units set aside that nothing gives back."""
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


async def test_a_release_takes_an_order_off_the_list_that_comes_to_it_at_that_moment(shop: Shop, url: str) -> None:
    await shop.add("A", east=1)
    async with shop.database.transaction() as tx:
        await WAITING.save(tx, [WaitingOrder("o1", NOON, ORIGIN.trace_id, {"A": 2}, changed=True)])
        ending = asyncio.create_task(shop.release("o1"))
        await somebody_waits(url)
    (state,) = await ending
    assert (state.state, state.idempotent) == (ReservationStatus.RELEASED, False)
    assert await set_aside(shop) == {}
    await assert_books_balance(url)
