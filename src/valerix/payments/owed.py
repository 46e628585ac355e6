"""The charge that an order owes, and whether a request is for exactly that charge. No I/O.

A capture by hand is built only here, from the order and never from the request:
tests/architecture/commands.py.
"""

from typing import NamedTuple, assert_never

from valerix.contracts.commands import CapturePayment, OrderDescription
from valerix.contracts.errors import DomainError
from valerix.contracts.states import OrderStatus


class RequestedCharge(NamedTuple):
    """A charge requested by hand. Amount in minor units."""

    order_id: str
    customer_id: str
    amount_minor: int
    currency: str
    method: str


class OrderNotPayable(DomainError):
    code = "order_not_payable"

    def __init__(self, status: OrderStatus, detail: str) -> None:
        super().__init__(detail, orderStatus=status)


class OrderNotRefundable(DomainError):
    code = "order_not_refundable"

    def __init__(self, status: OrderStatus, detail: str) -> None:
        super().__init__(detail, orderStatus=status)


class ChargeNotOwed(DomainError):
    """The request is for another charge. `differences`: RFC 6901 pointer into the body → the value
    of the order there.
    """

    code = "charge_not_owed"

    def __init__(self, differences: dict[str, str | int]) -> None:
        errors = [
            {"pointer": at, "message": f"The order has {value}"}
            for at, value in differences.items()
        ]
        super().__init__("The charge differs from the charge that the order owes", errors=errors)


def is_paid(status: OrderStatus) -> bool:
    """Whether an order in this state has been paid, if it owed anything."""
    match status:
        case (
            OrderStatus.CONFIRMED
            | OrderStatus.PROCESSING
            | OrderStatus.SHIPPED
            | OrderStatus.COMPLETED
        ):
            return True
        case OrderStatus.PENDING | OrderStatus.FAILED | OrderStatus.CANCELLED:
            return False
        case _:
            assert_never(status)


def part_only(order: OrderDescription) -> bool:
    """Whether part of the payment must stay, because the order has not shipped.

    Raises OrderNotRefundable.
    """
    match order.status:
        case OrderStatus.CONFIRMED | OrderStatus.PROCESSING if order.cancelling:
            raise OrderNotRefundable(
                order.status, "The order is being cancelled; that refunds its payment"
            )
        case OrderStatus.CONFIRMED | OrderStatus.PROCESSING:
            return True
        case OrderStatus.SHIPPED | OrderStatus.COMPLETED:
            return False
        case OrderStatus.PENDING:
            raise OrderNotRefundable(order.status, "The order is pending; cancel it instead")
        case OrderStatus.FAILED | OrderStatus.CANCELLED:
            raise OrderNotRefundable(
                order.status, f"The order is {order.status}; its payment was given back"
            )
        case _:
            assert_never(order.status)


def charge(order: OrderDescription, requested: RequestedCharge) -> CapturePayment:
    """The one charge that the order owes, if it is the requested charge.

    Raises OrderNotPayable, ChargeNotOwed.
    """
    owed = _owed(order)
    differences = {
        at: value
        for at, value, given in (
            ("/customerId", owed.customer_id, requested.customer_id),
            ("/amount/amountMinor", owed.amount_minor, requested.amount_minor),
            ("/amount/currency", owed.currency, requested.currency),
            ("/method", owed.method, requested.method),
        )
        if value != given
    }
    if differences:
        raise ChargeNotOwed(differences)
    return owed


def _owed(order: OrderDescription) -> CapturePayment:
    if order.status is not OrderStatus.PENDING:
        raise OrderNotPayable(
            order.status, f"The order is {order.status}; only pending orders can be paid"
        )
    if order.cancelling:
        raise OrderNotPayable(order.status, "The order is being cancelled")
    if order.total is None:
        raise OrderNotPayable(order.status, "The order has no price until stock is reserved for it")
    if order.total.amount_minor == 0:
        raise OrderNotPayable(order.status, "The order owes nothing")
    return CapturePayment(
        order.order_id,
        order.customer_id,
        order.total.amount_minor,
        order.total.currency,
        order.payment_method,
    )
