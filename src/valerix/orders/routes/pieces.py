"""What the routes of orders share."""

from litestar import Response

from valerix.chassis.base import versioning
from valerix.chassis.identity.tokens import Principal
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.ids import is_id
from valerix.contracts.roles import CUSTOMER
from valerix.orders.order import Order
from valerix.orders.schemas import OrderView, view


def owner_of(principal: Principal) -> str | None:
    """The customer whose orders this caller may see; None: all of them."""
    return principal.owner_id or "" if principal.role == CUSTOMER else None


def order_id_of(text: str) -> str:
    if not is_id(text):
        raise OrderNotFound
    return text


def order_response(order: Order, status: int = 200) -> Response[OrderView]:
    return Response(view(order), status_code=status, headers=versioning.etag(order.version))
