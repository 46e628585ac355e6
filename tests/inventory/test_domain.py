"""The rules of stock, without a database."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain
from valerix.inventory.domain import (
    Cause,
    Initiator,
    Offer,
    OutOfStock,
    Reservation,
    ReserveLine,
    Shelf,
    Source,
)
from valerix.inventory.settling import settle

ORIGIN = Initiator("tester", "0" * 32)
CAUSE = Cause("adjust", None, None, "counted", *ORIGIN)
SKUS = ["A", "B", "C"]


def offer(sku: str, *levels: tuple[int, int], active: bool = True) -> Offer:
    """A product with (on hand, reserved) per warehouse."""
    shelves = [
        Shelf(sku, f"W{i}", on_hand, reserved, 0) for i, (on_hand, reserved) in enumerate(levels)
    ]
    return Offer(PricedProduct(sku, f"The {sku}", 500, "USD"), active, shelves)


def order(order_id: str, *lines: tuple[str, int]) -> tuple[ReserveStock, Initiator]:
    return ReserveStock(order_id, [Line(sku, quantity) for sku, quantity in lines]), ORIGIN


def catalogue(*offers: Offer) -> dict[str, Offer]:
    return {o.product.product_id: o for o in offers}


levels = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda t: (max(t), min(t)))
catalogues = st.lists(levels, max_size=3).map(tuple)
orders = st.lists(
    st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 30)), min_size=1, max_size=4),
    min_size=1,
    max_size=25,
)


@given(st.tuples(catalogues, catalogues, catalogues), orders)
def test_a_batch_never_oversells_and_settles_each_order_all_or_nothing_in_order_of_arrival(
    stocks: tuple[tuple[tuple[int, int], ...], ...], wanted: list[list[tuple[str, int]]]
) -> None:
    offers = catalogue(*(offer(sku, *stocks[i]) for i, sku in enumerate(SKUS)))
    left = {sku: o.available for sku, o in offers.items()}
    on_hand = {sku: o.on_hand for sku, o in offers.items()}
    settlement = settle([order(str(i), *lines) for i, lines in enumerate(wanted)], offers, {}, {})

    for outcome, lines in zip(settlement.outcomes, wanted, strict=True):
        want = domain.sum_lines(Line(*line) for line in lines)
        fits = all(left[sku] >= quantity for sku, quantity in want.items())  # a model in four lines
        if fits:
            left = {sku: left[sku] - want.get(sku, 0) for sku in left}
            assert isinstance(outcome, StockReserved)
            assert summed(outcome.allocations) == want
        else:
            assert isinstance(outcome, StockShort)
            assert outcome.shortages == [
                Shortage(s, q, left[s]) for s, q in want.items() if left[s] < q
            ]

    assert {sku: o.available for sku, o in offers.items()} == left
    assert {sku: o.on_hand for sku, o in offers.items()} == on_hand
    assert all(0 <= s.reserved <= s.on_hand for o in offers.values() for s in o.shelves)
    assert sum(m.reserved_delta for m in settlement.movements) == sum(
        a.quantity for r in settlement.opened for a in r.allocations
    )


def summed(allocations: Iterable[Allocation]) -> dict[str, int]:
    total: dict[str, int] = {}
    for a in allocations:
        total[a.product_id] = total.get(a.product_id, 0) + a.quantity
    return total


def test_a_line_is_split_over_warehouses_in_their_order() -> None:
    (outcome,) = settle(
        [order("1", ("A", 7))], catalogue(offer("A", (5, 0), (3, 3), (9, 0))), {}, {}
    ).outcomes
    assert isinstance(outcome, StockReserved)
    assert outcome.allocations == [Allocation("A", "W0", 5), Allocation("A", "W2", 2)]


def test_lines_of_one_product_are_summed() -> None:
    offers = catalogue(offer("A", (5, 0)))
    outcomes = settle(
        [order("1", ("A", 3), ("A", 3)), order("2", ("A", 2), ("A", 3))], offers, {}, {}
    ).outcomes
    assert outcomes[0] == StockShort("1", [Shortage("A", 6, 5)], [offers["A"].product])
    assert isinstance(outcomes[1], StockReserved)
    assert outcomes[1].allocations == [Allocation("A", "W0", 5)]


def test_what_is_unknown_or_not_sold_any_more_is_named() -> None:
    offers = catalogue(offer("A", (5, 0)), offer("B", (5, 0), active=False))
    (outcome,) = settle([order("1", ("A", 1), ("B", 1), ("Z", 1))], offers, {}, {}).outcomes
    assert outcome == ProductsUnknown("1", ["B", "Z"])


def test_an_order_named_twice_in_a_batch_reserves_once() -> None:
    settlement = settle(
        [order("1", ("A", 3)), order("1", ("A", 3))], catalogue(offer("A", (5, 0))), {}, {}
    )
    first, second = settlement.outcomes
    assert isinstance(first, StockReserved)
    assert isinstance(second, StockReserved)
    assert (first.idempotent, second.idempotent) == (False, True)
    assert first.allocations == second.allocations
    assert len(settlement.opened) == len(settlement.movements) == 1


@pytest.mark.parametrize("state", ["released", "committed"])
def test_an_ended_reservation_refuses_a_late_reserve(state: str) -> None:
    known = {"1": Reservation("1", ReservationStatus(state), [], [])}
    settlement = settle([order("1", ("A", 1))], catalogue(offer("A", (5, 0))), known, {})
    assert settlement.outcomes == [ReservationEnded("1", ReservationStatus(state))]
    assert not settlement.movements


def test_taking_out_by_hand_never_touches_what_is_reserved() -> None:
    stocked = offer("A", (5, 4), (5, 0))
    with pytest.raises(OutOfStock):
        domain.change(stocked, -7, CAUSE)
    movements = domain.change(stocked, -6, CAUSE)
    assert [(m.warehouse_id, m.on_hand_delta, m.on_hand_after) for m in movements] == [
        ("W0", -1, 4),
        ("W1", -5, 0),
    ]


def test_orders_claim_each_product_once_in_order_of_arrival() -> None:
    asked = [order("2", ("B", 1), ("A", 2), ("B", 3)), order("1", ("A", 1))]
    claims = [
        ReserveLine("2", "B", 4, *ORIGIN),
        ReserveLine("2", "A", 2, *ORIGIN),
        ReserveLine("1", "A", 1, *ORIGIN),
    ]
    assert domain.claims(asked) == claims


def test_an_order_named_twice_and_text_that_is_no_product_id_cannot_be_claimed() -> None:
    assert domain.claims([order("1", ("A", 1)), order("1", ("B", 1))]) is None
    assert domain.claims([order("1", ("A", 1)), order("2", ("nul\x00", 1))]) is None


def test_claims_that_were_met_are_answered_like_settled_ones() -> None:
    asked = [order("2", ("B", 1), ("A", 2), ("B", 3)), order("1", ("A", 1))]
    offers = catalogue(offer("A", (9, 0)), offer("B", (9, 0)))
    sources = {sku: Source(offers[sku].product, "W0") for sku in offers}
    assert domain.reserved(asked, sources) == settle(asked, offers, {}, {}).outcomes


@pytest.mark.parametrize("text", ["", "-A", "A B", "A\n", "A\x00", "Ä", "A" * 51, "../A"])
def test_text_that_cannot_be_a_product_id(text: str) -> None:
    assert not domain.is_sku(text)


@pytest.mark.parametrize("text", ["A", "PROD-001", "a.b_c-9", "9" * 50])
def test_text_that_can_be_a_product_id(text: str) -> None:
    assert domain.is_sku(text)
