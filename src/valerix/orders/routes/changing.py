"""Routes that act on one order: change, move on, retry, cancel."""

from typing import Annotated

import msgspec
from litestar import Response, delete, post, put
from litestar.params import Parameter

from valerix.chassis.base import versioning
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import FieldError, Invalid
from valerix.chassis.description import openapi
from valerix.chassis.identity.tokens import Principal
from valerix.contracts.acts import Actor
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.roles import ANYONE, CUSTOMER
from valerix.contracts.states import FulfilmentStatus, OrderStatus
from valerix.orders.changes import Changes
from valerix.orders.errors import (
    UNPAYABLE,
    IllegalOrderTransition,
    NotCancellable,
    NotChangeable,
    NotRetriable,
    OrderBusy,
    StaffOnly,
    UnknownProduct,
)
from valerix.orders.fulfilment import Fulfilment
from valerix.orders.order import OrderLine
from valerix.orders.queries import Queries
from valerix.orders.routes import PATH, PROBLEM
from valerix.orders.routes.pieces import REFUSED, OrderId, order_id_of, order_response, owner_of
from valerix.orders.schemas import ChangeOrderBody, OrderView


@put(
    PATH + "/{order_id:str}",
    access=ANYONE,
    tags=["orders"],
    operation_id="changeOrder",
    example={"quantity": 1},
    responses={
        202: openapi.answer(
            "A service is unavailable: the order reaches the status later", OrderView
        )
    },
    response_headers=[openapi.ETAG],
    refuses=[
        OrderNotFound,
        NotChangeable,
        OrderBusy,
        IllegalOrderTransition,
        StaffOnly,
        UnknownProduct,
        *UNPAYABLE,
    ],
)
async def change_order(
    changes: Changes,
    fulfilment: Fulfilment,
    queries: Queries,
    principal: Principal,
    order_id: OrderId,
    data: ChangeOrderBody,
    deadline: Deadline,
    actor: Actor | None,
    if_match: Annotated[str | None, Parameter(header="If-Match", max_length=40)] = None,
) -> Response[OrderView]:
    """Change the lines of an order held for stock, or the address of an order that has not shipped.

    Staff may move an order on through the warehouse with `status`. The answer is 202 if a service
    is unavailable: the order reaches the status later.
    """
    if data.status is not None:
        version = versioning.expected_version(if_match)
        return await _fulfil(
            fulfilment, actor, order_id_of(order_id), data, data.status, version, deadline
        )
    order = await queries.get(order_id_of(order_id), owner_of(principal))
    changed = await changes.change(
        order.id,
        owner_of(principal),
        version=versioning.expected_version(if_match),
        lines=_changed_lines(data, order.lines),
        expected_total=data.expected_total,
        address=None
        if data.shipping_address is None
        else msgspec.to_builtins(data.shipping_address),
        deadline=deadline,
        actor=actor,
    )
    return order_response(changed)


async def _fulfil(
    fulfilment: Fulfilment,
    actor: Actor | None,
    order_id: OrderId,
    data: ChangeOrderBody,
    status: FulfilmentStatus,
    version: int | None,
    deadline: Deadline,
) -> Response[OrderView]:
    if actor is None:
        raise StaffOnly
    if data != ChangeOrderBody(status=status):
        message = "Send status alone: the order is moved on, nothing else changes"
        raise Invalid(message, [FieldError("/status", message)])
    target = OrderStatus(status)
    order = await fulfilment.fulfil_until(
        order_id, version=version, target=target, deadline=deadline, actor=actor
    )
    return order_response(order, status=200 if order.status is target else 202)


@post(
    PATH + "/{order_id:str}/retry",
    access=ANYONE,
    tags=["orders"],
    operation_id="retryOrder",
    status_code=200,
    responses={
        200: openapi.answer("Confirmed", OrderView),
        202: openapi.answer("Still pending: a service is unavailable", OrderView),
        **REFUSED,
    },
    refuses=[OrderNotFound, NotRetriable],
)
async def retry_order(
    changes: Changes,
    principal: Principal,
    order_id: OrderId,
    deadline: Deadline,
    actor: Actor | None,
) -> Response[bytes]:
    """Retry a pending order now.

    The answer is 200 if the order is confirmed, 202 if it is still pending, or else its refusal.
    """
    answer = await changes.retry(order_id_of(order_id), owner_of(principal), deadline, actor)
    media_type = PROBLEM.decode() if answer.status >= 400 else "application/json"
    return Response(answer.body, status_code=answer.status, media_type=media_type)


@delete(
    PATH + "/{order_id:str}",
    access=ANYONE,
    tags=["orders"],
    operation_id="cancelOrder",
    status_code=200,
    responses={
        202: openapi.answer("A service is unavailable: the order is cancelled later", OrderView)
    },
    response_headers=[openapi.ETAG],
    refuses=[OrderNotFound, NotCancellable, OrderBusy],
)
async def cancel_order(
    changes: Changes,
    principal: Principal,
    order_id: OrderId,
    deadline: Deadline,
    actor: Actor | None,
    reason: Annotated[str | None, Parameter(max_length=200)] = None,
) -> Response[OrderView]:
    """Cancel an order.

    The payment is voided or refunded, and the stock is released. The answer is 202 if a service is
    unavailable: the order is cancelled later.
    """
    words = (
        reason or f"Cancelled by {'the customer' if principal.role == CUSTOMER else principal.role}"
    )
    order = await changes.cancel(order_id_of(order_id), owner_of(principal), words, deadline, actor)
    return order_response(order, status=200 if order.status is OrderStatus.CANCELLED else 202)


ROUTES = [change_order, retry_order, cancel_order]


def _changed_lines(data: ChangeOrderBody, lines: list[OrderLine]) -> list[OrderLine] | None:
    if data.items is not None:
        return [OrderLine(item.product_id, item.quantity) for item in data.items]
    if data.quantity is None:
        if data.expected_total is not None:
            message = "Send expectedTotal together with new lines, as their total"
            raise Invalid(message, [FieldError("/expectedTotal", message)])
        return None
    if len(lines) != 1:
        message = "Only an order with one line can be changed by quantity; send items"
        raise Invalid(message, [FieldError("/quantity", message)])
    return [OrderLine(lines[0].product_id, data.quantity)]
