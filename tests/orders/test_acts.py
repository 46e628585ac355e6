"""The act that caused an entry of an order's history."""

from datetime import UTC, datetime
from typing import Any

import pytest

from valerix.contracts import acts
from valerix.contracts.acts import RecordedAct, by
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders.decisions import HistoryEntry, Refunded, cause_of

TRACE, OTHER = "a" * 32, "b" * 32
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def act(name: str, role: str = "operator", **what: Any) -> RecordedAct:
    return RecordedAct("id", name, "olga", role, "192.0.2.1", TRACE, "order", what, NOW)


def entry(kind: str, version: int, trace: str = TRACE) -> HistoryEntry:
    return HistoryEntry(version, kind, OrderStatus.PENDING, None, None, [], trace, NOW)


def refunded(refund_id: str) -> HistoryEntry:
    """An entry noted by payments some time after the act, in a trace of its own."""
    return entry("order.refunded", 5, OTHER)._replace(
        refund=Refunded(refund_id, Money(77, "USD"), "scratched")
    )


@pytest.mark.parametrize(
    ("done", "told", "caused"),
    [
        (act(acts.ORDER_PLACED, version=1), entry("order.created", 1), True),
        (act(acts.ORDER_PLACED, version=1), entry("order.confirmed", 2), False),
        (act(acts.ORDER_CHANGED, version=3), entry("order.changed", 4), True),
        (act(acts.ORDER_CHANGED, version=3), entry("order.changed", 5), False),
        (act(acts.ORDER_CANCELLED, version=2), entry("order.cancelled", 4, OTHER), True),
        (act(acts.ORDER_CANCELLED, version=2), entry("order.delayed", 3), False),
        (act(acts.ORDER_MOVED, version=2), entry("order.shipped", 4), True),
        (act(acts.ORDER_MOVED, version=2), entry("order.completed", 5, OTHER), False),
        (act(acts.ORDER_RETRIED, version=2), entry("order.confirmed", 3), True),
        (act(acts.ORDER_RETRIED, version=2), entry("order.held", 2), False),
        (act(acts.PAYMENT_REFUNDED, refundId="this"), refunded("this"), True),
        (act(acts.PAYMENT_REFUNDED, refundId="other"), refunded("this"), False),
        (act(acts.PAYMENT_REFUNDED, refundId="this"), entry("order.confirmed", 2), False),
        (act(acts.STOCK_RESERVED), entry("order.confirmed", 2), False),
    ],
)
def test_an_entry_is_the_act_that_caused_it(
    done: RecordedAct, told: HistoryEntry, caused: bool
) -> None:
    assert cause_of(told, [done]) == (done if caused else None)


def test_customers_are_told_that_staff_did_it_and_staff_who() -> None:
    assert (
        by(act(acts.ORDER_PLACED), to_staff=False).actor
        is not by(act(acts.ORDER_PLACED), to_staff=True).actor
    )
    shown = by(act(acts.ORDER_PLACED), to_staff=True)
    assert shown.kind == "staff"
    assert by(act(acts.ORDER_PLACED, role="service"), to_staff=False).kind == "service"
