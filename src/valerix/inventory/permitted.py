"""The operations by hand that each state of an order permits on its stock. No I/O.

Commands by hand are built only here, from the order and never from the request:
tests/architecture/commands.py.
"""

from collections.abc import Iterator, Sequence

from valerix.contracts.commands import Line, OrderDescription, ReserveStock
from valerix.contracts.errors import DomainError
from valerix.contracts.states import UNSUCCESSFUL, OrderStatus, ReservationStatus
from valerix.inventory.domain import Ending, sum_lines


class OrderNotReservable(DomainError):
    code = "order_not_reservable"

    def __init__(self, status: OrderStatus, detail: str) -> None:
        super().__init__(detail, orderStatus=status)


class OtherLines(DomainError):
    """The requested items differ from the lines of the order.

    `differences`: RFC 6901 pointers into the body, each with the quantity in the order.
    """

    code = "other_lines"

    def __init__(self, differences: Sequence[tuple[str, str]]) -> None:
        errors = [{"pointer": at, "message": message} for at, message in differences]
        super().__init__("The items differ from the lines of the order", errors=errors)


class OrderNotReleasable(DomainError):
    code = "order_not_releasable"

    def __init__(self, status: OrderStatus) -> None:
        detail = (
            f"The order is {status}; only failed and cancelled orders are released by hand. "
            "Cancel it first"
        )
        super().__init__(detail, orderStatus=status)


class OrderNotCommittable(DomainError):
    code = "order_not_committable"

    def __init__(self, status: OrderStatus, detail: str) -> None:
        super().__init__(detail, orderStatus=status)


def reservation(order: OrderDescription, lines: Sequence[Line]) -> ReserveStock:
    """The command that reserves the lines of the order, if `lines` are the same.

    Raises OrderNotReservable, OtherLines.
    """
    if order.status is not OrderStatus.PENDING:
        raise OrderNotReservable(
            order.status, f"The order is {order.status}; stock is reserved for pending orders"
        )
    if order.cancelling:
        raise OrderNotReservable(order.status, "The order is being cancelled")
    if differences := list(_differences(order.lines, lines)):
        raise OtherLines(differences)
    return ReserveStock(order.order_id, order.lines)


def release(order: OrderDescription) -> Ending:
    """The command that releases the stock of an unsuccessful order. Raises OrderNotReleasable."""
    if order.status not in UNSUCCESSFUL:
        raise OrderNotReleasable(order.status)
    return Ending(order.order_id, ReservationStatus.RELEASED)


def commit(order: OrderDescription) -> Ending:
    """The command that commits the stock of a `processing` order. Raises OrderNotCommittable."""
    if order.status is not OrderStatus.PROCESSING:
        detail = f"The order is {order.status}; goods leave the warehouse for orders in processing"
        raise OrderNotCommittable(order.status, detail)
    if order.cancelling:
        raise OrderNotCommittable(order.status, "The order is being cancelled")
    return Ending(order.order_id, ReservationStatus.COMMITTED)


def _differences(wanted: Sequence[Line], given: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """Yield the differences by product, each at the first item that names the product.

    Lines that name one product twice are summed.
    """
    has, requested = sum_lines(wanted), sum_lines(given)
    places = {
        line.product_id: f"/items/{place}" for place, line in reversed(list(enumerate(given)))
    }
    for sku in dict.fromkeys((*requested, *has)):
        if has.get(sku, 0) != requested.get(sku, 0):
            yield places.get(sku, "/items"), f"The order has {has.get(sku, 0)} of {sku}"
