"""HTTP in, use case, HTTP out."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from valerix.chassis.base import idempotency, pagination, telemetry, versioning
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import FieldError, Invalid
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.chassis.identity.tokens import Principal
from valerix.contracts.ids import UUID_PATTERN, first_id_at, is_id
from valerix.contracts.roles import ANYONE, CUSTOMER, STAFF
from valerix.contracts.states import FulfilmentStatus, OrderStatus
from valerix.orders import domain, metrics
from valerix.orders.answers import Answer
from valerix.orders.domain import OrderLine
from valerix.orders.schemas import (
    ChangeOrderBody,
    EventView,
    OrderView,
    PlaceOrderBody,
    StepView,
    Timeline,
    decode_place,
    view,
)
from valerix.orders.use_cases import Orders, Placing, new_order

PATH = "/api/v1/orders"
PROBLEM = b"application/problem+json"
SORTS = {"-createdAt": False, "createdAt": True}
Id = Annotated[str, msgspec.Meta(pattern=UUID_PATTERN)]


# --- placing: the hot path


def place_route(orders: Orders) -> RawRoute:
    """`POST /api/v1/orders`, raw."""

    async def place(request: RawRequest) -> RawResponse:
        body = decode_place(request.body)
        principal = request.principal
        assert principal is not None  # noqa: S101 - the route is not public
        if principal.role == CUSTOMER and body.customer_id != principal.owner_id:
            raise domain.NotYourCustomer
        return _place_response(await orders.place(_placing(body, principal, request)))

    return RawRoute("POST", PATH, ANYONE, place, document=_document_place, answered=metrics.answered)


def _placing(body: PlaceOrderBody, principal: Principal, request: RawRequest) -> Placing:
    header = idempotency.parse_key(request.header(b"idempotency-key"))
    if header and body.idempotency_key and header != body.idempotency_key:
        message = "The Idempotency-Key header and idempotencyKey in the body differ; send one of them"
        raise Invalid(message, [FieldError("/idempotencyKey", message)])
    key = header or body.idempotency_key
    body.idempotency_key = None  # where the key came from is not part of what was asked
    address = None if body.shipping_address is None else msgspec.to_builtins(body.shipping_address)
    return Placing(
        new_order(body.customer_id, body.lines(), body.payment_method, body.on_shortage, address),
        idempotency.lookup_key(principal.subject, "POST", PATH, key) if key else None,
        idempotency.fingerprint(body),
        telemetry.trace_id.get(),
        request.deadline,
    )


def _place_response(answer: Answer) -> RawResponse:
    headers = [(b"location", f"{PATH}/{answer.order_id}".encode())]
    if answer.replayed:
        headers.append((idempotency.REPLAYED.encode(), b"true"))
    if answer.status == 202:
        headers.append((b"retry-after", b"1"))
    media_type = PROBLEM if answer.status >= 400 else b"application/json"
    return RawResponse(answer.status, answer.body, headers, media_type)


def _spec(description: str, container: Any = OrderView) -> ResponseSpec:
    return ResponseSpec(container, description=description, generate_examples=False)


@post(
    PATH,
    access=ANYONE,
    tags=["orders"],
    operation_id="placeOrder",
    responses={
        200: _spec("Replay of an earlier success, byte for byte (Idempotent-Replayed: true)"),
        202: _spec("Accepted; a service is not available, the order will be driven (Location, Retry-After)"),
        402: _spec("The payment was declined; the problem carries the failed order", dict[str, Any]),
        409: _spec("Insufficient stock (with the order), or the same key is in flight", dict[str, Any]),
        422: _spec("Same key with another body; unknown product or customer", dict[str, Any]),
    },
)
async def _document_place(
    data: PlaceOrderBody,
    idempotency_key: Annotated[str | None, Parameter(header="Idempotency-Key", max_length=255)] = None,
) -> OrderView:
    """Place an order: `items`, or one line as `productId` and `quantity`. 201: confirmed, reserved and paid."""
    raise NotImplementedError("the raw route answers this path")


# --- reading


@get(PATH, access=ANYONE, tags=["orders"], operation_id="listOrders")
async def list_orders(
    orders: Orders,
    principal: Principal,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
    status: Annotated[list[str] | None, Parameter(max_items=len(OrderStatus), description="may be repeated")] = None,
    customer_id: Annotated[str | None, Parameter(query="customerId", max_length=50)] = None,
    product_id: Annotated[str | None, Parameter(query="productId", max_length=50)] = None,
    q: Annotated[str | None, Parameter(max_length=100, description="begin of an order id, customer, product")] = None,
    created_from: Annotated[datetime | None, Parameter(query="from")] = None,
    created_to: Annotated[datetime | None, Parameter(query="to", description="exclusive")] = None,
    trace_id: Annotated[
        str | None, Parameter(query="traceId", pattern="^[0-9a-f]{32}$", description="of anything that happened to it")
    ] = None,
    sort: Annotated[str, Parameter(description="createdAt or -createdAt")] = "-createdAt",
) -> pagination.Page[OrderView]:
    """Orders, newest first. A customer sees their own."""
    for one in status or []:
        _one_of("status", one, tuple(OrderStatus))
    _one_of("sort", sort, tuple(SORTS))
    if trace_id is not None and created_from is None:
        message = "A trace id is looked for in orders placed since a given time"
        raise Invalid(message, [FieldError("/from", message)])
    owner = _owner(principal)
    if owner is not None and customer_id not in (None, owner):
        return pagination.Page([])
    rows = await orders.search(
        limit=limit + 1,
        ascending=SORTS[sort],
        after=None if cursor is None else pagination.decode_cursor(cursor, tuple[Id])[0],
        owner_id=owner or customer_id,
        statuses=status,
        product_id=product_id,
        search=q,
        first=created_from and first_id_at(created_from),
        last=created_to and first_id_at(created_to),
        trace_id=trace_id,
    )
    found = pagination.page(rows, limit, lambda order: pagination.encode_cursor(order.id))
    return pagination.Page([view(order) for order in found.items], found.next_cursor)


@get(PATH + "/{order_id:str}", access=ANYONE, tags=["orders"], operation_id="getOrder")
async def get_order(orders: Orders, principal: Principal, order_id: str) -> Response[OrderView]:
    """One order with its lines, payment and reservation."""
    return _order_response(await orders.get(_id(order_id), _owner(principal)))


@get(PATH + "/{order_id:str}/events", access=ANYONE, tags=["orders"], operation_id="getOrderTimeline")
async def get_timeline(orders: Orders, principal: Principal, order_id: str) -> Timeline:
    """Everything that happened to an order: every saga step with attempt, outcome and duration."""
    order, rows = await orders.timeline(_id(order_id), _owner(principal))
    return Timeline(order.id, [_event_view(row) for row in rows])


# --- acting on one order


@put(PATH + "/{order_id:str}", access=ANYONE, tags=["orders"], operation_id="changeOrder")
async def change_order(
    orders: Orders,
    principal: Principal,
    order_id: str,
    data: ChangeOrderBody,
    deadline: Deadline,
    if_match: Annotated[str | None, Parameter(header="If-Match", max_length=20)] = None,
) -> Response[OrderView]:
    """Change the lines of an order held for stock, or the address of one that has not shipped.

    Staff may move it on through the warehouse with `status`; 202 when a service is down: it will get there.
    """
    if data.status is not None:
        version = versioning.expected_version(if_match)
        return await _advance(orders, principal, _id(order_id), data, data.status, version, deadline)
    order = await orders.get(_id(order_id), _owner(principal))
    changed = await orders.change(
        order.id,
        _owner(principal),
        version=versioning.expected_version(if_match),
        lines=_changed_lines(data, order.lines),
        address=None if data.shipping_address is None else msgspec.to_builtins(data.shipping_address),
    )
    return _order_response(changed)


async def _advance(
    orders: Orders,
    principal: Principal,
    order_id: str,
    data: ChangeOrderBody,
    status: FulfilmentStatus,
    version: int | None,
    deadline: Deadline,
) -> Response[OrderView]:
    if principal.role not in STAFF:
        raise domain.StaffOnly
    if data != ChangeOrderBody(status=status):
        message = "Send status alone: the order is moved on, nothing else changes"
        raise Invalid(message, [FieldError("/status", message)])
    target = OrderStatus(status)
    order = await orders.advance(order_id, version=version, target=target, deadline=deadline)
    return _order_response(order, status=200 if order.status is target else 202)


@post(PATH + "/{order_id:str}/retry", access=ANYONE, tags=["orders"], operation_id="retryOrder", status_code=200)
async def retry_order(orders: Orders, principal: Principal, order_id: str, deadline: Deadline) -> Response[bytes]:
    """Drive a pending order now: 200 confirmed, 202 still pending, or the refusal it met."""
    answer = await orders.retry(_id(order_id), _owner(principal), deadline)
    media_type = PROBLEM.decode() if answer.status >= 400 else "application/json"
    return Response(answer.body, status_code=answer.status, media_type=media_type)


@delete(PATH + "/{order_id:str}", access=ANYONE, tags=["orders"], operation_id="cancelOrder", status_code=200)
async def cancel_order(
    orders: Orders,
    principal: Principal,
    order_id: str,
    deadline: Deadline,
    reason: Annotated[str | None, Parameter(max_length=200)] = None,
) -> Response[OrderView]:
    """Cancel: the payment is voided or refunded, the stock released. 202 when a service is down: it will be done."""
    words = reason or f"Cancelled by {'the customer' if principal.role == CUSTOMER else principal.role}"
    order = await orders.cancel(_id(order_id), _owner(principal), words, deadline)
    return _order_response(order, status=200 if order.status is OrderStatus.CANCELLED else 202)


ROUTES = [list_orders, get_order, get_timeline, change_order, retry_order, cancel_order]


# --- pieces


def _owner(principal: Principal) -> str | None:
    """The customer whose orders this caller may see; None: all of them."""
    return principal.owner_id or "" if principal.role == CUSTOMER else None


def _id(text: str) -> str:
    if not is_id(text):
        raise domain.OrderNotFound
    return text


def _order_response(order: domain.Order, status: int = 200) -> Response[OrderView]:
    return Response(view(order), status_code=status, headers=versioning.etag(order.version))


def _event_view(row: Any) -> EventView:
    data = row["data"]
    return EventView(
        version=row["version"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        trace_id=row["trace_id"],
        status=OrderStatus(data["status"]),
        error_code=data["errorCode"],
        error_message=data["errorMessage"],
        steps=msgspec.convert(row["steps"] or [], list[StepView]),
    )


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        message = f"Expected one of: {', '.join(allowed)}"
        raise Invalid(f"Check {name}: {message}", [FieldError(f"/{name}", message)])


def _changed_lines(data: ChangeOrderBody, lines: list[OrderLine]) -> list[OrderLine] | None:
    if data.items is not None:
        return [OrderLine(item.product_id, item.quantity) for item in data.items]
    if data.quantity is None:
        return None
    if len(lines) != 1:
        message = "Only an order with one line can be changed by quantity; send items"
        raise Invalid(message, [FieldError("/quantity", message)])
    return [OrderLine(lines[0].product_id, data.quantity)]
