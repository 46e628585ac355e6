"""How much one customer may keep in suspense: it is taken from the others, or asks the provider in vain."""

from enum import StrEnum
from typing import Final, NamedTuple, assert_never

from valerix.contracts.states import OrderStatus
from valerix.orders.errors import BeyondBounds, PaymentDeclined
from valerix.orders.order import Order


class Bound(StrEnum):
    """What an order counts as."""

    WAITING = "waiting"
    """For stock."""
    UNPAID = "unpaid"
    """Its units are reserved, its payment is not decided."""
    DECLINED = "declined"


class Bounds(NamedTuple):
    """Of one customer; with as many, another order is refused. 0: no bound. Staff has none.

    Orders count once they are written so: what is on its way at the same moment comes on top.
    """

    waiting_orders: int = 50
    unpaid_units: int = 500
    declines: int = 20
    """Within ten minutes."""


DEFAULT: Final = Bounds()


def refusal(bound: Bound) -> BeyondBounds:
    """What the caller of "place" is told."""
    match bound:
        case Bound.WAITING:
            detail = "Too many orders of this customer wait for stock; cancel some, or wait until they are served"
        case Bound.UNPAID:
            detail = "Too much is reserved for orders of this customer whose payments are not decided; try again later"
        case Bound.DECLINED:
            detail = "Too many payments of this customer were declined in the last ten minutes"
        case _:
            assert_never(bound)
    return BeyondBounds(bound, detail)


def bound_of(order: Order) -> Bound | None:
    """What the order counts as where it now stands."""
    if order.held:
        return Bound.WAITING
    if order.status is OrderStatus.PENDING and order.allocations is not None:
        return Bound.UNPAID
    if order.status is OrderStatus.FAILED and order.error_code == PaymentDeclined.code:
        return Bound.DECLINED
    return None


def may_have_counted(order: Order) -> bool:
    """Whether it can have counted as something before it came where it now stands.

    False for an order that is confirmed or fails at once: nothing is written or read about those.
    """
    return order.version > 2 and order.status in (OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELLED)
