"""Limits on the undecided orders of one customer.

Such orders take stock from other customers, or request payments from the provider in vain.
"""

from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from valerix.contracts.states import OrderStatus
from valerix.orders.errors import BeyondBounds, PaymentDeclined
from valerix.orders.order import Order


class Bound(StrEnum):
    """The kinds of bound; an order counts against one of them at most."""

    WAITING = "waiting"
    """The order waits for stock."""
    UNPAID = "unpaid"
    """The units of the order are reserved, its payment is not decided."""
    DECLINED = "declined"


class Bounds(NamedTuple):
    """The bounds of one customer: at a bound, a further order is refused. 0: no bound.

    Staff have no bounds. An order counts once its state is written, so orders that are in progress
    at the same moment can exceed a bound.
    """

    waiting_orders: int = 50
    unpaid_units: int = 500
    declines: int = 20
    """Declined payments within ten minutes."""


DEFAULT: Final = Bounds()


def refusal(bound: Bound) -> BeyondBounds:
    """Return the error for the caller of "place"."""
    match bound:
        case Bound.WAITING:
            detail = (
                "Too many orders of this customer wait for stock; "
                "cancel some, or wait until they are served"
            )
        case Bound.UNPAID:
            detail = (
                "Too many units are reserved for orders of this customer with undecided payments; "
                "try again later"
            )
        case Bound.DECLINED:
            detail = "Too many payments of this customer were declined in the last ten minutes"
        case _:
            assert_never(bound)
    return BeyondBounds(bound, detail)


def bound_of(order: Order) -> Bound | None:
    """Return the bound that the order counts against in its present state, if any."""
    if order.held:
        return Bound.WAITING
    if order.status is OrderStatus.PENDING and order.allocations is not None:
        return Bound.UNPAID
    if order.status is OrderStatus.FAILED and order.error_code == PaymentDeclined.code:
        return Bound.DECLINED
    return None


def may_have_counted(order: Order) -> bool:
    """Return whether the order may have counted against a bound before its present state.

    False for an order that is confirmed or fails at once: nothing is written or read about such
    orders.
    """
    return order.version > 2 and order.status in (
        OrderStatus.CONFIRMED,
        OrderStatus.FAILED,
        OrderStatus.CANCELLED,
    )
