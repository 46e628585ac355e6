"""Compensation and shipping: the answers of other services decide how the order ends.

The steps of the order show these answers.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.orders.test_domain import NOW, RETRY, order
from tests.support.stock_wait import NO_STOCK_WAIT
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import Attempt, NotSent
from valerix.contracts import commands
from valerix.contracts.commands import Allocation, PaymentOutcome, ReservationState
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus, PaymentStatus, ReservationStatus
from valerix.orders.decisions import NOTHING_TO_UNDO, SagaRun, Step, shown
from valerix.orders.order import OrderLine
from valerix.orders.saga import Saga, Services
from valerix.orders.transitions import AT_REST


class Peers:
    """The clients of the other services, with one prepared answer for each command.

    Without a stock state, the service is away.
    """

    def __init__(self, stock: str | None, payment: str = "voided", *, empty: bool = False) -> None:
        self.called: list[str] = []
        self._empty = empty
        self._stock = stock
        self._payment = payment

    async def post(
        self, path: str, *_: Any, deadline: Deadline, report: Callable[[Attempt], None]
    ) -> object:
        self.called.append(path)
        failure = (
            NotSent("inventory", "is away")
            if self._stock is None and path == commands.RELEASE_STOCK
            else None
        )
        report(Attempt(NOW, 1.0, failure))
        if failure is not None:
            raise failure
        if path == commands.VOID_PAYMENTS:
            return commands.PaymentOutcomes(
                [PaymentOutcome("id", "payment", PaymentStatus(self._payment), empty=self._empty)]
            )
        state = ReservationState("id", ReservationStatus(self._stock or ""), empty=self._empty)
        return commands.ReservationStates([state])


async def driven(peers: Peers, status: str, cancel_reason: str | None = None) -> SagaRun:
    """Run the saga once over an order that has stock reserved."""
    reserved = order(status=status)
    reserved.allocations, reserved.cancel_reason = [Allocation("A", "EAST", 2)], cancel_reason
    services = Services(peers, peers, peers)  # type: ignore[arg-type]  # in place of the clients
    # `dict` is no directory: no customer is checked.
    saga = Saga(services, dict, NO_STOCK_WAIT, timedelta(0), RETRY, 0)  # type: ignore[arg-type]
    running = SagaRun(reserved)
    await saga.run([running], Deadline.after(60), 1.0)
    return running


def ended(running: SagaRun) -> tuple[str, str | None]:
    assert running.decision is not None
    return running.decision.status, running.decision.error_code


def outcomes(running: SagaRun) -> list[tuple[str, str]]:
    return [(step.name, step.outcome) for step in running.steps]


async def test_a_payment_is_void_before_its_stock_goes_back() -> None:
    peers = Peers(stock="released")
    running = await driven(peers, "pending", cancel_reason="changed my mind")
    assert peers.called == [commands.VOID_PAYMENTS, commands.RELEASE_STOCK]
    assert outcomes(running) == [("void_payment", "voided"), ("release_stock", "released")]
    assert ended(running) == ("cancelled", "order_cancelled")
    assert running.order.allocations is None


@pytest.mark.parametrize("payment", ["voided", "declined"])
async def test_what_had_nothing_to_undo_is_on_record_and_not_shown(payment: str) -> None:
    peers = Peers(stock="released", payment=payment, empty=True)
    running = await driven(peers, "pending", cancel_reason="changed my mind")
    assert peers.called == [commands.VOID_PAYMENTS, commands.RELEASE_STOCK]
    assert outcomes(running) == [
        ("void_payment", "nothing_to_undo"),
        ("release_stock", "nothing_to_undo"),
    ]
    assert ended(running) == ("cancelled", "order_cancelled")
    assert shown(running.steps) == []


def test_no_attempt_of_what_had_nothing_to_undo_is_shown() -> None:
    made = [
        ("charge", "failed"),
        ("void_payment", "failed"),
        ("void_payment", NOTHING_TO_UNDO),
        ("release_stock", "ok"),
    ]
    steps = [Step(name, 1, outcome, NOW, 1.0) for name, outcome in made]
    assert shown(steps) == [steps[0], steps[3]]


async def test_a_payment_whose_outcome_is_unknown_keeps_its_stock() -> None:
    peers = Peers(stock="released", payment="processing")
    running = await driven(peers, "pending", cancel_reason="changed my mind")
    assert peers.called == [commands.VOID_PAYMENTS]
    assert ended(running) == ("pending", "payment_processing")
    assert running.order.allocations == [Allocation("A", "EAST", 2)]


async def test_stock_that_could_not_be_released_is_still_allocated() -> None:
    running = await driven(Peers(stock=None), "pending", cancel_reason="changed my mind")
    assert ended(running) == ("pending", "inventory_unavailable")
    assert running.order.allocations == [Allocation("A", "EAST", 2)]


async def test_an_order_that_has_left_is_shipped_and_stays_paid() -> None:
    peers = Peers(stock="committed")
    running = await driven(peers, "processing", cancel_reason="changed my mind")
    assert peers.called == [commands.RELEASE_STOCK]
    assert ended(running) == ("shipped", None)
    assert running.order.allocations == [Allocation("A", "EAST", 2)]


async def test_an_order_ships_when_its_reservation_is_committed_and_not_otherwise() -> None:
    shipped, lost = (
        await driven(Peers("committed"), "processing"),
        await driven(Peers("released"), "processing"),
    )
    assert (ended(shipped), outcomes(shipped)) == (("shipped", None), [("ship", "committed")])
    assert (ended(lost), outcomes(lost)) == (
        ("processing", "reservation_lost"),
        [("ship", "released")],
    )


@pytest.mark.parametrize("status", sorted(AT_REST))
async def test_an_order_at_rest_keeps_its_stock_and_its_money(status: OrderStatus) -> None:
    """The order is left alone, however it came to be due."""
    peers = Peers(stock="committed", payment="refunded")
    running = await driven(peers, status)
    assert peers.called == []
    assert running.decision is not None
    assert (running.decision.status, running.decision.due_in, running.decision.emits_event) == (
        status,
        None,
        False,
    )


# --- wherever a priced order ends, a late charge and a late reservation are refused


class Reserving(Peers):
    """Inventory answers a reservation with a prepared outcome."""

    def __init__(self, outcome: commands.ReserveOutcome) -> None:
        super().__init__(stock="released")
        self._outcome = outcome

    async def post(
        self, path: str, *body: Any, deadline: Deadline, report: Callable[[Attempt], None]
    ) -> object:
        if path != commands.RESERVE_STOCK:
            return await super().post(path, *body, deadline=deadline, report=report)
        self.called.append(path)
        report(Attempt(NOW, 1.0, None))
        return commands.ReserveOutcomes([self._outcome])


async def known_customers(customer_ids: list[str]) -> dict[str, str]:
    return dict.fromkeys(customer_ids, "active")


async def reserving(
    outcome: commands.ReserveOutcome,
    attempts: int,
    on_shortage: str = "reject",
    expected: Money | None = None,
) -> tuple[SagaRun, list[str]]:
    """Run a priced order with two of A; return the run and the services' paths that it called."""
    priced = order()
    priced.lines, priced.on_shortage, priced.attempts = [OrderLine("A", 2)], on_shortage, attempts
    priced.currency, priced.total_minor, priced.expected_total = "USD", 1000, expected
    peers: Any = Reserving(outcome)
    saga = Saga(
        Services(peers, peers, peers), known_customers, NO_STOCK_WAIT, timedelta(0), RETRY, 0
    )
    running = SagaRun(priced)
    await saga.run([running], Deadline.after(60), 1.0)
    return running, peers.called


REFUSALS = [
    (commands.StockShort("id", [commands.Shortage("A", 2, 0)]), "insufficient_stock"),
    (commands.ProductsUnknown("id", ["A"]), "unknown_product"),
    (commands.ReservationEnded("id", ReservationStatus.RELEASED), "order_ended"),
]
UNDONE = [commands.RESERVE_STOCK, commands.VOID_PAYMENTS, commands.RELEASE_STOCK]


@pytest.mark.parametrize(("outcome", "code"), REFUSALS)
async def test_an_order_that_was_driven_before_ends_with_its_payment_void_and_its_stock_released(
    outcome: commands.ReserveOutcome, code: str
) -> None:
    running, called = await reserving(outcome, attempts=1)
    assert (ended(running), called) == (("failed", code), UNDONE)


async def test_a_backorder_that_ends_when_it_is_quoted_leaves_the_waiting_list() -> None:
    short = commands.StockShort(
        "id", [commands.Shortage("A", 2, 0)], [commands.PricedProduct("A", "A", 500, "USD")]
    )
    running, called = await reserving(short, 0, "backorder", Money(1, "USD"))
    assert (ended(running), called) == (("failed", "total_differs"), UNDONE)


@pytest.mark.parametrize(("outcome", "code"), REFUSALS[:2])
async def test_a_first_run_that_gets_no_stock_asks_for_nothing_more(
    outcome: commands.ReserveOutcome, code: str
) -> None:
    """The order has no price: nothing can be charged."""
    running, called = await reserving(outcome, attempts=0)
    assert (ended(running), called) == (("failed", code), UNDONE[:1])


@pytest.mark.parametrize("held", [[("A", 1)], [("A", 2), ("B", 1)], [("B", 2)], []])
async def test_stock_that_was_reserved_for_other_lines_ends_the_order(
    held: list[tuple[str, int]],
) -> None:
    """The lines were changed while a reservation was on its way."""
    products = [commands.PricedProduct(sku, sku, 500, "USD") for sku in ("A", "B")]
    allocations = [Allocation(sku, "EAST", quantity) for sku, quantity in held]
    running, called = await reserving(
        commands.StockReserved("id", allocations, products, idempotent=True), attempts=1
    )
    assert (ended(running), called) == (("failed", "order_ended"), UNDONE)
