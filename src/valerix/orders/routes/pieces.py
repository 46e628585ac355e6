"""Parts that the routes of orders share."""

from typing import Annotated, Final

from litestar import Response

from valerix.chassis.base import versioning
from valerix.chassis.base.problems import MEDIA_TYPE
from valerix.chassis.description import openapi
from valerix.chassis.identity.tokens import Principal
from valerix.contracts import text
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.ids import is_id
from valerix.contracts.roles import CUSTOMER
from valerix.orders.order import Order
from valerix.orders.schemas import OrderProblem, OrderView, view

OrderId = Annotated[str, openapi.in_path(text.UUID)]
REFUSED: Final = {
    402: openapi.answer("The payment was declined (`payment_declined`)", OrderProblem, MEDIA_TYPE),
    409: openapi.answer(
        "The order cannot be confirmed (`insufficient_stock`, `price_changed`, `total_differs`, "
        "`order_cancelled`, `order_ended`), or is being processed (`idempotency_key_in_flight`, "
        "`order_busy`: Retry-After)",
        OrderProblem,
        MEDIA_TYPE,
    ),
    422: openapi.answer(
        "Part of the order does not exist or cannot be sold (`unknown_product`, "
        "`unknown_customer`, `customer_suspended`, `not_chargeable`), or the key was used with "
        "another body (`idempotency_key_reused`)",
        OrderProblem,
        MEDIA_TYPE,
    ),
}
"""Refusals that carry the order, for the routes that drive it."""


def owner_of(principal: Principal) -> str | None:
    """Return the number of the customer this caller is limited to; None: no limit."""
    return principal.owner_id or "" if principal.role == CUSTOMER else None


def order_id_of(given: str) -> str:
    """Return an order id of valid form. Raises OrderNotFound for any other text."""
    if not is_id(given):
        raise OrderNotFound
    return given


def order_response(order: Order, status: int = 200) -> Response[OrderView]:
    """Respond with the order, and with its version as ETag."""
    return Response(view(order), status_code=status, headers=versioning.etag(order.version))
