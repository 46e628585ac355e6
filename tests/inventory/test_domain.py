"""The rules of stock alone."""

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
from valerix.inventory import domain
from valerix.inventory.domain import Cause, Ending, Offer, Origin, OutOfStock, Overtaken, Reservation, Shelf

ORIGIN = Origin("tester", "0" * 32)
CAUSE = Cause("adjust", None, None, "counted", *ORIGIN)
SKUS = ["A", "B", "C"]


def offer(sku: str, *levels: tuple[int, int], active: bool = True) -> Offer:
    """A product with (on hand, reserved) per warehouse."""
    shelves = [Shelf(sku, f"W{i}", on_hand, reserved, 0) for i, (on_hand, reserved) in enumerate(levels)]
    return Offer(PricedProduct(sku, f"The {sku}", 500, "USD"), active, shelves)


def order(order_id: str, *lines: tuple[str, int]) -> tuple[ReserveStock, Origin]:
    return ReserveStock(order_id, [Line(sku, quantity) for sku, quantity in lines]), ORIGIN


def catalogue(*offers: Offer) -> dict[str, Offer]:
    return {o.product.product_id: o for o in offers}


levels = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda t: (max(t), min(t)))
catalogues = st.lists(levels, max_size=3).map(tuple)
orders = st.lists(
    st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 30)), min_size=1, max_size=4), min_size=1, max_size=25
)


@given(st.tuples(catalogues, catalogues, catalogues), orders)
def test_a_batch_never_oversells_and_settles_each_order_all_or_nothing_in_order_of_arrival(
    stocks: tuple[tuple[tuple[int, int], ...], ...], wanted: list[list[tuple[str, int]]]
) -> None:
    offers = catalogue(*(offer(sku, *stocks[i]) for i, sku in enumerate(SKUS)))
    left = {sku: o.available for sku, o in offers.items()}
    on_hand = {sku: o.on_hand for sku, o in offers.items()}
    settlement = domain.reserve([order(str(i), *lines) for i, lines in enumerate(wanted)], offers, {})

    for outcome, lines in zip(settlement.outcomes, wanted, strict=True):
        want = domain.sum_lines(Line(*line) for line in lines)
        fits = all(left[sku] >= quantity for sku, quantity in want.items())  # a model in four lines
        if fits:
            left = {sku: left[sku] - want.get(sku, 0) for sku in left}
            assert isinstance(outcome, StockReserved)
            assert summed(outcome.allocations) == want
        else:
            assert isinstance(outcome, StockShort)
            assert outcome.shortages == [Shortage(s, q, left[s]) for s, q in want.items() if left[s] < q]

    assert {sku: o.available for sku, o in offers.items()} == left
    assert {sku: o.on_hand for sku, o in offers.items()} == on_hand
    assert all(0 <= s.reserved <= s.on_hand for o in offers.values() for s in o.shelves)
    assert sum(m.reserved_delta for m in settlement.movements) == sum(
        a.quantity for r in settlement.opened for a in r.allocations
    )


@given(st.tuples(catalogues, catalogues, catalogues), orders, st.data())
def test_ending_reservations_gives_back_or_takes_out_exactly_what_they_held(
    stocks: tuple[tuple[tuple[int, int], ...], ...], wanted: list[list[tuple[str, int]]], data: st.DataObject
) -> None:
    offers = catalogue(*(offer(sku, *stocks[i]) for i, sku in enumerate(SKUS)))
    shelves = {(s.sku, s.warehouse_id): s for o in offers.values() for s in o.shelves}
    before = {key: (s.on_hand, s.reserved) for key, s in shelves.items()}
    opened = domain.reserve([order(str(i), *lines) for i, lines in enumerate(wanted)], offers, {}).opened
    ends = [Ending(r.order_id, data.draw(st.sampled_from(["released", "committed"]))) for r in opened]
    settlement = domain.end([(e, ORIGIN) for e in ends * 2], shelves, {r.order_id: r for r in opened})

    gone = dict.fromkeys(shelves, 0)
    for reservation, ending in zip(opened, ends, strict=True):
        for a in reservation.allocations if ending.state == "committed" else []:
            gone[a.product_id, a.warehouse_id] += a.quantity
    for key, shelf in shelves.items():
        on_hand, reserved = before[key]
        assert (shelf.on_hand, shelf.reserved) == (on_hand - gone[key], reserved)
    first, again = settlement.outcomes[: len(ends)], settlement.outcomes[len(ends) :]
    assert [o.state for o in first] == [o.state for o in again] == [e.state for e in ends]
    assert not any(o.idempotent for o in first)
    assert all(o.idempotent for o in again)


def summed(allocations: Iterable[Allocation]) -> dict[str, int]:
    total: dict[str, int] = {}
    for a in allocations:
        total[a.product_id] = total.get(a.product_id, 0) + a.quantity
    return total


def test_a_line_is_split_over_warehouses_in_their_order() -> None:
    (outcome,) = domain.reserve([order("1", ("A", 7))], catalogue(offer("A", (5, 0), (3, 3), (9, 0))), {}).outcomes
    assert isinstance(outcome, StockReserved)
    assert outcome.allocations == [Allocation("A", "W0", 5), Allocation("A", "W2", 2)]


def test_lines_of_one_product_are_summed() -> None:
    offers = catalogue(offer("A", (5, 0)))
    outcomes = domain.reserve([order("1", ("A", 3), ("A", 3)), order("2", ("A", 2), ("A", 3))], offers, {}).outcomes
    assert outcomes[0] == StockShort("1", [Shortage("A", 6, 5)])
    assert isinstance(outcomes[1], StockReserved)
    assert outcomes[1].allocations == [Allocation("A", "W0", 5)]


def test_what_is_unknown_or_not_sold_any_more_is_named() -> None:
    offers = catalogue(offer("A", (5, 0)), offer("B", (5, 0), active=False))
    (outcome,) = domain.reserve([order("1", ("A", 1), ("B", 1), ("Z", 1))], offers, {}).outcomes
    assert outcome == ProductsUnknown("1", ["B", "Z"])


def test_an_order_named_twice_in_a_batch_reserves_once() -> None:
    settlement = domain.reserve([order("1", ("A", 3)), order("1", ("A", 3))], catalogue(offer("A", (5, 0))), {})
    first, second = settlement.outcomes
    assert isinstance(first, StockReserved)
    assert isinstance(second, StockReserved)
    assert (first.idempotent, second.idempotent) == (False, True)
    assert first.allocations == second.allocations
    assert len(settlement.opened) == len(settlement.movements) == 1


@pytest.mark.parametrize("state", ["released", "committed"])
def test_an_ended_reservation_refuses_a_late_reserve(state: str) -> None:
    known = {"1": Reservation("1", state, [], [])}
    settlement = domain.reserve([order("1", ("A", 1))], catalogue(offer("A", (5, 0))), known)
    assert settlement.outcomes == [ReservationEnded("1", state)]
    assert not settlement.movements


def test_releasing_what_was_never_reserved_leaves_a_tombstone_and_committing_it_nothing() -> None:
    asked = [(Ending("1", "committed"), ORIGIN), (Ending("1", "released"), ORIGIN), (Ending("1", "committed"), ORIGIN)]
    settlement = domain.end(asked, {}, {})
    assert [(o.state, o.idempotent) for o in settlement.outcomes] == [
        ("absent", False),
        ("released", False),
        ("released", True),
    ]
    assert settlement.opened == [Reservation("1", "released", [], [])]
    assert not settlement.ended


def test_a_reservation_whose_stock_is_not_held_is_not_touched() -> None:
    known = {"1": Reservation("1", "reserved", [Allocation("A", "W0", 1)], [])}
    with pytest.raises(Overtaken):
        domain.end([(Ending("1", "released"), ORIGIN)], {}, known)


def test_taking_out_by_hand_never_touches_what_is_reserved() -> None:
    stocked = offer("A", (5, 4), (5, 0))
    with pytest.raises(OutOfStock):
        domain.change(stocked, -7, CAUSE)
    movements = domain.change(stocked, -6, CAUSE)
    assert [(m.warehouse_id, m.on_hand_delta, m.on_hand_after) for m in movements] == [("W0", -1, 4), ("W1", -5, 0)]


@pytest.mark.parametrize("text", ["", "-A", "A B", "A\n", "A\x00", "Ä", "A" * 51, "../A"])
def test_text_that_cannot_be_a_product_id(text: str) -> None:
    assert not domain.is_sku(text)


@pytest.mark.parametrize("text", ["A", "PROD-001", "a.b_c-9", "9" * 50])
def test_text_that_can_be_a_product_id(text: str) -> None:
    assert domain.is_sku(text)
