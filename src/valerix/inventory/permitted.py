"""What may be done by hand with the stock of an order, in which of its states. No I/O.

Commands by hand are built here alone, from the order and never from the request: tests/architecture/commands.py.
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
    """`differences`: RFC 6901 pointer into the body, and what the order has there."""

    code = "other_lines"

    def __init__(self, differences: Sequence[tuple[str, str]]) -> None:
        errors = [{"pointer": at, "message": message} for at, message in differences]
        super().__init__("The items are not the lines of the order", errors=errors)


class OrderNotReleasable(DomainError):
    code = "order_not_releasable"

    def __init__(self, status: OrderStatus) -> None:
        detail = f"The order is {status}; only failed and cancelled orders are released by hand. Cancel the order"
        super().__init__(detail, orderStatus=status)


class OrderNotCommittable(DomainError):
    code = "order_not_committable"

    def __init__(self, status: OrderStatus, detail: str) -> None:
        super().__init__(detail, orderStatus=status)


def reservation(order: OrderDescription, lines: Sequence[Line]) -> ReserveStock:
    """Stock for the order, when what is asked for is its lines. Raises OrderNotReservable, OtherLines."""
    if order.status is not OrderStatus.PENDING:
        raise OrderNotReservable(order.status, f"The order is {order.status}; stock is reserved for pending orders")
    if order.cancelling:
        raise OrderNotReservable(order.status, "The order is being cancelled")
    if differences := list(_differences(order.lines, lines)):
        raise OtherLines(differences)
    return ReserveStock(order.order_id, order.lines)


def release(order: OrderDescription) -> Ending:
    """Raises OrderNotReleasable."""
    if order.status not in UNSUCCESSFUL:
        raise OrderNotReleasable(order.status)
    return Ending(order.order_id, ReservationStatus.RELEASED)


def commit(order: OrderDescription) -> Ending:
    """Raises OrderNotCommittable."""
    if order.status is not OrderStatus.PROCESSING:
        detail = f"The order is {order.status}; goods leave the warehouse for orders in processing"
        raise OrderNotCommittable(order.status, detail)
    if order.cancelling:
        raise OrderNotCommittable(order.status, "The order is being cancelled")
    return Ending(order.order_id, ReservationStatus.COMMITTED)


def _differences(wanted: Sequence[Line], given: Sequence[Line]) -> Iterator[tuple[str, str]]:
    """By product, at the first item that names it; lines naming one product twice are summed."""
    has, asked = sum_lines(wanted), sum_lines(given)
    places = {line.product_id: f"/items/{place}" for place, line in reversed(list(enumerate(given)))}
    for sku in dict.fromkeys((*asked, *has)):
        if has.get(sku, 0) != asked.get(sku, 0):
            yield places.get(sku, "/items"), f"The order has {has.get(sku, 0)} of {sku}"
