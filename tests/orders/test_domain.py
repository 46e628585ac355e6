"""The rules of the order, without any I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stock_wait import STOCK_WAIT
from valerix.contracts.commands import PricedProduct
from valerix.contracts.states import OrderStatus
from valerix.orders import decisions
from valerix.orders.decisions import Retry
from valerix.orders.errors import IllegalOrderTransition, NotChargeable
from valerix.orders.order import Order, OrderLine
from valerix.orders.transitions import TRANSITIONS, path_to

RETRY = Retry(first_seconds=1.0, longest_seconds=20.0)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


def order(
    *lines: OrderLine,
    on_shortage: str = "hold",
    status: str = OrderStatus.PENDING,
    attempts: int = 0,
) -> Order:
    made = Order(
        "id", "CUST-001", list(lines) or [OrderLine("A", 2)], "card_ok", on_shortage, NOW, NOW
    )
    made.status, made.attempts = OrderStatus(status), attempts
    return made


@pytest.mark.parametrize("old", TRANSITIONS)
@pytest.mark.parametrize("new", TRANSITIONS)
def test_an_order_moves_along_the_table_and_nowhere_else(
    old: OrderStatus, new: OrderStatus
) -> None:
    moving = order(status=old)
    if new in TRANSITIONS[old]:
        moving.move(new, LATER)
        assert (moving.status, moving.version, moving.updated_at) == (new, 2, LATER)
    else:
        with pytest.raises(IllegalOrderTransition):
            moving.move(new, LATER)
        assert (moving.status, moving.version, moving.updated_at) == (old, 1, NOW)


def test_nothing_follows_an_end() -> None:
    assert all(not TRANSITIONS[OrderStatus(end)] for end in ("completed", "failed", "cancelled"))


def test_prices_come_from_the_reservation_and_fix_the_total() -> None:
    priced = order(OrderLine("A", 2), OrderLine("B", 1), OrderLine("A", 3))
    priced.price([PricedProduct("A", "Apple", 50, "USD"), PricedProduct("B", "Bean", 7, "USD")])
    assert (priced.total_minor, priced.currency) == (5 * 50 + 7, "USD")
    assert [line.name for line in priced.lines] == ["Apple", "Bean", "Apple"]


@pytest.mark.parametrize(
    "products",
    [
        [PricedProduct("A", "Apple", 50, "USD"), PricedProduct("B", "Bean", 7, "EUR")],
        [PricedProduct("A", "Apple", 10**12, "USD"), PricedProduct("B", "Bean", 7, "USD")],
    ],
    ids=["two currencies", "absurd total"],
)
def test_what_cannot_be_charged_is_refused(products: list[PricedProduct]) -> None:
    with pytest.raises(NotChargeable):
        order(OrderLine("A", 2), OrderLine("B", 1)).price(products)


@pytest.mark.parametrize(
    ("on_shortage", "status", "due_in"),
    [
        ("hold", "pending", timedelta(minutes=30)),
        ("backorder", "pending", timedelta(hours=1)),
        ("reject", "failed", None),
    ],
)
def test_shortage_goes_as_the_order_wished(
    on_shortage: str, status: str, due_in: timedelta | None
) -> None:
    decision = decisions.short_of_stock(
        order(on_shortage=on_shortage), "A: 2 wanted, 1 left", STOCK_WAIT, NOW, asked=False
    )
    assert (decision.status, decision.due_in) == (status, due_in)
    assert (decision.error_code, decision.error_message) == (
        "insufficient_stock",
        "Insufficient stock",
    )


@given(attempts=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_waiting_grows_with_attempts_but_never_past_its_limit(attempts: int, jitter: float) -> None:
    decision = decisions.delayed(order(attempts=attempts), "code", "message", RETRY, jitter)
    assert decision.due_in is not None
    assert timedelta(seconds=0.5) <= decision.due_in <= timedelta(seconds=RETRY.longest_seconds)


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_a_delay_is_half_to_all_of_the_doubled_pauses(jitter: float, share: float) -> None:
    delays = [
        decisions.delayed(order(attempts=n), "code", "message", RETRY, jitter).due_in
        for n in (0, 1, 2, 9)
    ]
    assert delays == [
        timedelta(seconds=pause * share) for pause in (1, 2, 4, RETRY.longest_seconds)
    ]


@pytest.mark.parametrize("status", ["pending", "confirmed", "processing"])
def test_a_delay_changes_no_state(status: str) -> None:
    assert decisions.delayed(order(status=status), "code", "message", RETRY, 0.5).status == status


@pytest.mark.parametrize(
    ("status", "target", "states"),
    [
        ("confirmed", "processing", ["processing"]),
        ("confirmed", "completed", ["processing", "shipped", "completed"]),
        ("shipped", "completed", ["completed"]),
        ("shipped", "shipped", []),
    ],
)
def test_the_way_through_the_warehouse_leaves_nothing_out(
    status: str, target: str, states: list[str]
) -> None:
    assert path_to(OrderStatus(status), OrderStatus(target)) == states


@pytest.mark.parametrize(
    ("status", "target"),
    [
        ("pending", "processing"),
        ("shipped", "processing"),
        ("cancelled", "shipped"),
        ("failed", "completed"),
    ],
)
def test_there_is_no_other_way(status: str, target: str) -> None:
    with pytest.raises(IllegalOrderTransition, match=f"is {status} cannot become {target}"):
        path_to(OrderStatus(status), OrderStatus(target))
