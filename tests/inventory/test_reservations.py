"""Reserve, release and commit on a real database."""

import asyncio

import pytest

from tests.inventory.conftest import Shop, assert_books_balance, order_id, priced, reserved
from valerix.chassis.base.deadline import Deadline, DeadlineExceeded
from valerix.chassis.postgres.database import IMPOSSIBLE
from valerix.contracts.commands import (
    Allocation,
    Line,
    PricedProduct,
    ProductsUnknown,
    ReservationEnded,
    ReserveStock,
    Shortage,
    StockReserved,
    StockShort,
)
from valerix.contracts.money import Money
from valerix.contracts.states import ReservationStatus
from valerix.inventory.domain import Ending
from valerix.inventory.schemas import ProductBody


async def test_a_reservation_promises_units_and_fixes_names_and_prices(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=3, west=4)
    outcome = reserved(await shop.reserve("order-1", ("A", 5)))
    assert outcome.allocations == [Allocation("A", "WH-EAST", 3), Allocation("A", "WH-WEST", 2)]
    assert outcome.products == [PricedProduct("A", "The A", 500, "USD")]
    assert await shop.level("A") == (7, 5)
    await assert_books_balance(url)


async def test_repeating_a_reserve_answers_the_same_although_prices_and_stock_have_changed(
    shop: Shop,
) -> None:
    await shop.add("A", east=3)
    first = reserved(await shop.reserve("order-1", ("A", 3)))
    await shop.catalogue.replace_product(
        "A", ProductBody("Other", Money(900, "EUR"), active=False), None
    )
    again = reserved(await shop.reserve("order-1", ("A", 3)))
    assert again.idempotent
    assert (again.allocations, again.products) == (first.allocations, first.products)
    assert await shop.level("A") == (3, 3)


async def test_shortage_of_one_order_does_not_fail_its_neighbours(shop: Shop, url: str) -> None:
    await shop.add("A", east=5)
    await shop.add("EMPTY")
    outcomes = await shop.reserve_all(
        ("o1", ("A", 3)),
        ("o2", ("A", 3)),
        ("o3", ("A", 1), ("EMPTY", 1)),
        ("o4", ("NOT-THERE", 1), ("nul\x00", 1), ("A\n", 1)),
        ("o5", ("A", 2)),
    )
    assert isinstance(outcomes[0], StockReserved)
    assert outcomes[1] == StockShort("o2", [Shortage("A", 3, 2)], [priced("A")])
    assert outcomes[2] == StockShort(
        "o3", [Shortage("EMPTY", 1, 0)], [priced("A"), priced("EMPTY")]
    )
    assert outcomes[3] == ProductsUnknown("o4", ["NOT-THERE", "nul\x00", "A\n"])
    assert isinstance(outcomes[4], StockReserved)
    assert await shop.level("A") == (5, 5)
    await assert_books_balance(url)


async def test_a_refused_order_may_come_again(shop: Shop) -> None:
    await shop.add("A", east=1)
    assert isinstance(await shop.reserve("order-1", ("A", 2)), StockShort)
    assert not reserved(await shop.reserve("order-1", ("A", 1))).idempotent


async def test_release_gives_back_and_commit_takes_out(shop: Shop, url: str) -> None:
    await shop.add("A", east=3, west=4)
    await shop.reserve_all(("o1", ("A", 5)), ("o2", ("A", 2)))
    (released,), (committed,) = await shop.release("o1"), await shop.commit("o2")
    assert (released.state, released.idempotent, released.empty) == ("released", False, False)
    assert (committed.state, committed.idempotent) == ("committed", False)
    assert await shop.level("A") == (5, 0)
    await assert_books_balance(url)


async def test_an_end_is_final_whatever_is_asked_afterwards(shop: Shop, url: str) -> None:
    await shop.add("A", east=9)
    await shop.reserve_all(("o1", ("A", 2)), ("o2", ("A", 3)))
    await shop.release("o1")
    await shop.commit("o2")
    for state in (*await shop.commit("o1", "o1"), *await shop.release("o1")):
        assert (state.state, state.idempotent, state.empty) == ("released", True, False)
    for state in (*await shop.release("o2"), *await shop.commit("o2")):
        assert (state.state, state.idempotent) == ("committed", True)
    assert await shop.reserve("o1", ("A", 2)) == ReservationEnded("o1", ReservationStatus.RELEASED)
    assert await shop.reserve("o2", ("A", 3)) == ReservationEnded("o2", ReservationStatus.COMMITTED)
    assert await shop.level("A") == (6, 0)
    await assert_books_balance(url)


async def test_a_release_that_comes_first_refuses_the_late_reserve(shop: Shop) -> None:
    await shop.add("A", east=9)
    for again in (False, True):
        (state,) = await shop.release("o1")
        assert (state.state, state.idempotent, state.empty) == ("released", again, True)
        assert await shop.reserve("o1", ("A", 2)) == ReservationEnded(
            "o1", ReservationStatus.RELEASED
        )
    assert await shop.level("A") == (9, 0)


async def test_committing_what_was_never_reserved_leaves_no_trace(shop: Shop) -> None:
    await shop.add("A", east=9)
    (state,) = await shop.commit("o1")
    assert state.state == "absent"
    reserved(await shop.reserve("o1", ("A", 2)))


async def test_lists_that_share_a_transaction_get_their_own_answers(shop: Shop, url: str) -> None:
    await shop.add("A", east=1000)

    async def one_list(size: int) -> None:
        ids = [order_id() for _ in range(size)]
        outcomes = await shop.reserve_all(*((i, ("A", 1)) for i in ids))
        assert [reserved(o).order_id for o in outcomes] == ids
        assert [s.order_id for s in await shop.commit(*ids)] == ids

    await asyncio.gather(*(one_list(size) for size in range(25)))
    assert await shop.level("A") == (1000 - sum(range(25)), 0)
    await assert_books_balance(url)


async def test_a_caller_whose_time_is_over_gets_nothing_done_and_does_not_disturb_others(
    shop: Shop,
) -> None:
    await shop.add("A", east=9)
    late = shop.reserving.reserve(
        [ReserveStock("late", [Line("A", 1)])], "tester", Deadline.after(0)
    )
    late_end = shop.reserving.end(
        [Ending("o1", ReservationStatus.RELEASED)], "tester", Deadline.after(0)
    )
    results = await asyncio.gather(
        late, shop.reserve("o1", ("A", 2)), late_end, return_exceptions=True
    )
    assert isinstance(results[0], DeadlineExceeded)
    assert isinstance(results[1], StockReserved)
    assert isinstance(results[2], DeadlineExceeded)
    assert await shop.level("A") == (9, 2)


async def test_movements_tell_who_moved_what_and_for_which_order(shop: Shop) -> None:
    await shop.add("A", east=3)
    await shop.reserve("o1", ("A", 2))
    await shop.commit("o1")
    movements = await shop.stock.list_movements("A", None, 10)
    assert [
        (m.kind, m.seq, m.on_hand_after, m.reserved_after, m.order_id, m.actor) for m in movements
    ] == [
        ("commit", 3, 1, 0, "o1", "tester"),
        ("reserve", 2, 3, 2, "o1", "tester"),
        ("receive", 1, 3, 0, None, "tester"),
    ]


@pytest.mark.parametrize("size", [0, 256])
async def test_empty_and_largest_lists(shop: Shop, size: int) -> None:
    await shop.add("A", east=300)
    ids = [order_id() for _ in range(size)]
    assert len(await shop.reserve_all(*((i, ("A", 1)) for i in ids))) == size
    assert len(await shop.release(*ids)) == size
    assert await shop.level("A") == (300, 0)


async def test_prices_are_those_of_what_is_sold(shop: Shop) -> None:
    await shop.add("A")
    await shop.add("GONE", active=False)
    assert await shop.catalogue.prices(["GONE", "A", "NONE", "nul\x00", "A"]) == [
        None,
        priced("A"),
        None,
        None,
        priced("A"),
    ]


async def test_a_product_is_found_by_number_or_by_a_name_of_its_own(shop: Shop) -> None:
    await shop.add("A")
    await shop.add("X", name="A")
    for twin in ("B", "C"):
        await shop.add(twin, name="Twins")
    await shop.add("GONE", active=False)
    found = await shop.catalogue.find(["A", "The A", "X", "Twins", "The GONE", "the a"])
    assert [product and product.product_id for product in found] == [
        "A",
        "A",
        "X",
        None,
        None,
        None,
    ]
    assert await shop.catalogue.find([]) == []


async def test_a_list_that_cannot_be_stored_fails_alone(shop: Shop, url: str) -> None:
    await shop.add("A", east=9)
    answers = await asyncio.gather(
        shop.reserve("o1", ("A", 1)),
        shop.reserve("nul\x00", ("A", 1)),
        shop.reserve_all(("o2", ("A", 1)), ("o3", ("A", 1))),
        return_exceptions=True,
    )
    assert [isinstance(answer, IMPOSSIBLE) for answer in answers] == [False, True, False]
    endings = await asyncio.gather(
        shop.release("o1"), shop.release("nul\x00"), shop.commit("o2"), return_exceptions=True
    )
    assert [isinstance(answer, IMPOSSIBLE) for answer in endings] == [False, True, False]
    assert await shop.level("A") == (8, 1)
    await assert_books_balance(url)
