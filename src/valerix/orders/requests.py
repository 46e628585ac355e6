"""The saga's commands to inventory and payments, built from the order alone."""

from valerix.contracts.commands import CapturePayment, Line, ReserveStock, VoidPayment
from valerix.contracts.states import OrderStatus
from valerix.orders.order import Order


def reserve(order: Order) -> ReserveStock:
    """Build the command to reserve.

    A backorder keeps the place of its acceptance, however often the command is sent.
    """
    lines = [Line(line.product_id, line.quantity) for line in order.lines]
    return ReserveStock(order.id, lines, order.created_at if order.backordered else None)


def capture(order: Order) -> CapturePayment:
    """Build the command to capture, for an order that has its price."""
    return CapturePayment(
        order.id,
        order.customer_id,
        order.total_minor or 0,
        order.currency or "",
        order.payment_method,
    )


def void(order: Order, reason: str | None) -> VoidPayment:
    """Build the command to void; the order's reason is `cancelled` if there is no other."""
    return VoidPayment(order.id, reason or OrderStatus.CANCELLED)
