"""What can be refused about an order."""

from typing import Final

from valerix.chassis.base.problems import Conflict, Forbidden, NotFound, Problem, Unprocessable
from valerix.contracts.states import OrderStatus


class IllegalTransition(Conflict):
    code, title = "illegal_transition", "The order cannot go there"

    def __init__(self, old: OrderStatus, new: OrderStatus) -> None:
        super().__init__(f"An order that is {old} cannot become {new}")


class StaffOnly(Forbidden):
    code, title = "staff_only", "Not allowed"

    def __init__(self) -> None:
        super().__init__("Only operators and admins move an order through the warehouse")


class OrderNotFound(NotFound):
    code, title = "order_not_found", "No such order"

    def __init__(self) -> None:
        super().__init__("There is no order with this id")


class NotCancellable(Conflict):
    code, title = "not_cancellable", "The order can no longer be cancelled"

    def __init__(self, status: OrderStatus) -> None:
        super().__init__(f"The order is {status}; only pending, confirmed and processing orders can be cancelled")


class NotRetriable(Conflict):
    code, title = "not_retriable", "There is nothing to retry"

    def __init__(self, status: OrderStatus) -> None:
        super().__init__(f"The order is {status}; only pending orders can be retried")


class OrderBusy(Conflict):
    code, title = "order_busy", "The order is being worked on"

    def __init__(self) -> None:
        super().__init__("The order is being worked on right now; ask again shortly", headers={"Retry-After": "1"})


class NotChangeable(Conflict):
    code, title = "not_changeable", "The order cannot be changed now"


class NotYourCustomer(Forbidden):
    code, title = "not_your_customer", "Not allowed"

    def __init__(self) -> None:
        super().__init__("A customer can only place orders for themself")


# --- how the caller of "place" learns of a definite refusal; each has the order in its document


class PaymentDeclined(Problem):
    status, code, title = 402, "payment_declined", "The payment was declined"


class InsufficientStock(Conflict):
    code, title = "insufficient_stock", "Insufficient stock"


class UnknownProduct(Unprocessable):
    code, title = "unknown_product", "Unknown product"


class UnknownCustomer(Unprocessable):
    code, title = "unknown_customer", "Unknown customer"


class CustomerSuspended(Unprocessable):
    code, title = "customer_suspended", "The customer is suspended"


class NotChargeable(Unprocessable):
    code, title = "not_chargeable", "The order cannot be charged"


class OrderCancelled(Conflict):
    code, title = "order_cancelled", "The order was cancelled"


class OrderEnded(Conflict):
    code, title = "order_ended", "The order ended without success"


REFUSALS: Final[dict[str, type[Problem]]] = {
    refusal.code: refusal
    for refusal in (
        PaymentDeclined,
        InsufficientStock,
        UnknownProduct,
        UnknownCustomer,
        CustomerSuspended,
        NotChargeable,
        OrderCancelled,
        OrderEnded,
    )
}
