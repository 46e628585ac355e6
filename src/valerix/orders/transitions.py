"""The state machine of orders: the transitions, and what each state means for the work on them."""

from typing import Final, assert_never

from valerix.contracts.states import OrderStatus
from valerix.orders.errors import IllegalOrderTransition


def _followers(status: OrderStatus) -> set[OrderStatus]:
    match status:
        case OrderStatus.PENDING:
            return {
                OrderStatus.PENDING,
                OrderStatus.CONFIRMED,
                OrderStatus.FAILED,
                OrderStatus.CANCELLED,
            }
        case OrderStatus.CONFIRMED:
            return {
                OrderStatus.CONFIRMED,
                OrderStatus.PROCESSING,
                OrderStatus.SHIPPED,
                OrderStatus.CANCELLED,
            }
        case OrderStatus.PROCESSING:
            return {OrderStatus.PROCESSING, OrderStatus.SHIPPED, OrderStatus.CANCELLED}
        case OrderStatus.SHIPPED:
            return {OrderStatus.COMPLETED}
        case OrderStatus.COMPLETED | OrderStatus.FAILED | OrderStatus.CANCELLED:
            return set()
        case _:
            assert_never(status)


TRANSITIONS: Final = {status: frozenset(_followers(status)) for status in OrderStatus}
"""Staying in a state is a transition too if something is recorded about it.

Such records are made for a held, delayed or changed order.
"""

FULFILMENT_STEPS: Final = {
    OrderStatus.CONFIRMED: OrderStatus.PROCESSING,
    OrderStatus.PROCESSING: OrderStatus.SHIPPED,
    OrderStatus.SHIPPED: OrderStatus.COMPLETED,
}
"""The next state in the warehouse, by present state."""
LOCAL_STEPS: Final = (OrderStatus.CONFIRMED, OrderStatus.SHIPPED)
"""The next step from these states needs no other service."""


def path_to(status: OrderStatus, target: OrderStatus) -> list[OrderStatus]:
    """Return the states through the warehouse from `status` to `target`; none if it is there.

    Raises IllegalOrderTransition.
    """
    states = [status]
    while states[-1] != target:
        if states[-1] not in FULFILMENT_STEPS:
            raise IllegalOrderTransition(status, target)
        states.append(FULFILMENT_STEPS[states[-1]])
    return states[1:]


def _is_counted(status: OrderStatus) -> bool:
    match status:
        case (
            OrderStatus.PENDING
            | OrderStatus.CONFIRMED
            | OrderStatus.PROCESSING
            | OrderStatus.SHIPPED
        ):
            return True
        case OrderStatus.FAILED | OrderStatus.CANCELLED:
            return True
        case OrderStatus.COMPLETED:
            return False
        case _:
            assert_never(status)


def _goods_left(status: OrderStatus) -> bool:
    match status:
        case OrderStatus.SHIPPED | OrderStatus.COMPLETED:
            return True
        case OrderStatus.PENDING | OrderStatus.CONFIRMED | OrderStatus.PROCESSING:
            return False
        case OrderStatus.FAILED | OrderStatus.CANCELLED:
            return False
        case _:
            assert_never(status)


def _is_at_rest(status: OrderStatus) -> bool:
    match status:
        case (
            OrderStatus.PENDING
            | OrderStatus.CONFIRMED
            | OrderStatus.PROCESSING
            | OrderStatus.SHIPPED
        ):
            return False
        case OrderStatus.COMPLETED | OrderStatus.FAILED | OrderStatus.CANCELLED:
            return True
        case _:
            assert_never(status)


COUNTED: Final = tuple(status for status in OrderStatus if _is_counted(status))
UNCOUNTED: Final = tuple(status for status in OrderStatus if not _is_counted(status))
"""Most orders end in these states: a count of them reads most of the table."""
AT_REST: Final = frozenset(status for status in OrderStatus if _is_at_rest(status))
"""An order in these states is never due.

It is not driven; its stock and its payment stay as they are.
"""
GOODS_LEFT: Final = tuple(status for status in OrderStatus if _goods_left(status))
"""In these states a request to cancel comes too late and is dropped."""
