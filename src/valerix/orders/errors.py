"""The refusals of operations on orders: their codes are data, their texts are for people."""

from typing import Final

from valerix.contracts.errors import DomainError
from valerix.contracts.money import Money, money_text
from valerix.contracts.states import OrderStatus


class IllegalOrderTransition(DomainError):
    code = "illegal_transition"

    def __init__(self, old: OrderStatus, new: OrderStatus) -> None:
        super().__init__(f"An order that is {old} cannot become {new}")


class StaffOnly(DomainError):
    code = "staff_only"

    def __init__(self) -> None:
        super().__init__("Only operators and admins move an order through the warehouse")


class NotCancellable(DomainError):
    code = "not_cancellable"

    def __init__(self, status: OrderStatus) -> None:
        super().__init__(
            f"The order is {status}; only pending, confirmed and processing orders can be cancelled"
        )


class NotRetriable(DomainError):
    code = "not_retriable"

    def __init__(self, status: OrderStatus) -> None:
        super().__init__(f"The order is {status}; only pending orders can be retried")


class OrderBusy(DomainError):
    code = "order_busy"

    def __init__(self) -> None:
        super().__init__("The order is being processed right now; try again shortly")


class NotChangeable(DomainError):
    code = "not_changeable"


class NotYourCustomer(DomainError):
    code = "not_your_customer"

    def __init__(self) -> None:
        super().__init__("Customers can place orders for themselves only")


class BeyondBounds(DomainError):
    """The customer has reached a bound; `bound` names it (see orders.bounds)."""

    code = "customer_bound"

    def __init__(self, bound: str, detail: str) -> None:
        super().__init__(detail, bound=bound)


# --- definite refusals of "place"; the problem document of each contains the order


class PaymentDeclined(DomainError):
    code = "payment_declined"


class InsufficientStock(DomainError):
    code = "insufficient_stock"


class UnknownProduct(DomainError):
    code = "unknown_product"


class UnknownCustomer(DomainError):
    code = "unknown_customer"


class CustomerSuspended(DomainError):
    code = "customer_suspended"


class NotChargeable(DomainError):
    code = "not_chargeable"


class PriceChanged(DomainError):
    code = "price_changed"


class TotalDiffers(DomainError):
    code = "total_differs"

    def __init__(self, total: Money) -> None:
        super().__init__(f"The order costs {money_text(total)}, which is not what was expected")


class OrderCancelled(DomainError):
    code = "order_cancelled"


class OrderEnded(DomainError):
    """The reservation or the payment of the order has ended, or is for other lines."""

    code = "order_ended"


UNPAYABLE: Final = (NotChargeable, PriceChanged, TotalDiffers)
"""The refusals to charge an order because of its prices."""
REFUSALS: Final[dict[str, type[DomainError]]] = {
    refusal.code: refusal
    for refusal in (
        PaymentDeclined,
        InsufficientStock,
        UnknownProduct,
        UnknownCustomer,
        CustomerSuspended,
        NotChargeable,
        PriceChanged,
        TotalDiffers,
        OrderCancelled,
        OrderEnded,
    )
}
