"""Routes that read orders: one order, pages of orders, the history of one."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.params import Parameter

from valerix.chassis.base import pagination, validation
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import FieldError, Invalid
from valerix.chassis.description.openapi import ETAG
from valerix.chassis.identity.tokens import Principal
from valerix.contracts import text
from valerix.contracts.acts import BY_STAFF, By, RecordedAct, by
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.roles import ANYONE, CUSTOMER
from valerix.contracts.states import OrderStatus
from valerix.orders.acts import OrderActs
from valerix.orders.decisions import HistoryEntry, cause_of, found_nothing_to_undo, shown
from valerix.orders.order import OrderFilter
from valerix.orders.queries import Queries
from valerix.orders.routes import PATH
from valerix.orders.routes.pieces import OrderId, order_id_of, order_response, owner_of
from valerix.orders.schemas import (
    OrderEventView,
    OrderView,
    RefundedView,
    Timeline,
    step_views,
    view,
)

SORTS = {"-createdAt": False, "createdAt": True}
STATUSES: Final = {"items": {"type": "string", "enum": [*OrderStatus]}}
SEARCHED: Final = (
    "a customer number, a product number,"
    " or the first (4 or more) or last 4 to 12 digits of an order id;"
    " for staff also words, or beginnings of words, of a customer's name or e-mail address"
    " (the first 20 matching customers)"
)
Id = Annotated[str, msgspec.Meta(pattern=text.UUID)]
Version = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


@get(PATH, access=ANYONE, tags=["orders"], operation_id="listOrders")
async def list_orders(
    queries: Queries,
    principal: Principal,
    deadline: Deadline,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
    status: Annotated[
        list[str] | None,
        Parameter(max_items=len(OrderStatus), description="may be repeated", schema_extra=STATUSES),
    ] = None,
    customer_id: Annotated[str | None, Parameter(query="customerId", max_length=50)] = None,
    product_id: Annotated[str | None, Parameter(query="productId", max_length=50)] = None,
    q: Annotated[str | None, Parameter(max_length=100, description=SEARCHED)] = None,
    created_from: pagination.Since = None,
    created_to: pagination.Until = None,
    trace_id: Annotated[
        str | None,
        Parameter(
            query="traceId",
            pattern=text.TRACE_ID,
            description="trace id of any change to the order; needs `from`",
        ),
    ] = None,
    sort: Annotated[str, Parameter(schema_extra={"enum": [*SORTS]})] = "-createdAt",
) -> pagination.Page[OrderView]:
    """List orders, newest first.

    Customers see only their own orders.
    """
    for one in status or []:
        validation.check_one_of("status", one, tuple(OrderStatus))
    validation.check_one_of("sort", sort, tuple(SORTS))
    if trace_id is not None and created_from is None:
        message = "A search by traceId needs from, the time since which the orders were placed"
        raise Invalid(message, [FieldError("/from", message)])
    owner = owner_of(principal)
    if owner is not None and customer_id not in (None, owner):
        return pagination.Page([])
    wanted = OrderFilter(
        limit=limit + 1,
        ascending=SORTS[sort],
        after=None if cursor is None else pagination.decode_cursor(cursor, tuple[Id])[0],
        owner_id=owner or customer_id,
        statuses=None if status is None else [OrderStatus(one) for one in status],
        product_id=product_id,
        search=q,
        first=pagination.parse_first_id("from", created_from),
        last=pagination.parse_first_id("to", created_to),
        trace_id=trace_id,
    )
    rows = await queries.search(wanted, deadline, by_name=principal.role != CUSTOMER)
    found = pagination.page(rows, limit, lambda order: pagination.encode_cursor(order.id))
    return pagination.Page([view(order) for order in found.items], found.next_cursor)


@get(
    PATH + "/{order_id:str}",
    access=ANYONE,
    tags=["orders"],
    operation_id="getOrder",
    response_headers=[ETAG],
    refuses=[OrderNotFound],
)
async def get_order(
    queries: Queries, principal: Principal, order_id: OrderId
) -> Response[OrderView]:
    """Get one order with its lines, payment and reservation."""
    return order_response(await queries.get(order_id_of(order_id), owner_of(principal)))


@get(
    PATH + "/{order_id:str}/events",
    access=ANYONE,
    tags=["orders"],
    operation_id="getOrderTimeline",
    refuses=[OrderNotFound],
)
async def get_timeline(
    queries: Queries,
    order_acts: OrderActs,
    principal: Principal,
    order_id: OrderId,
    deadline: Deadline,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
) -> Timeline:
    """Get the history of an order, oldest first.

    It has every saga step with attempt, outcome and duration. Staff see the actor of each act of
    staff, in every service; customers see only that an entry is an act of staff.
    """
    after = 0 if cursor is None else pagination.decode_cursor(cursor, tuple[Version])[0]
    order, rows = await queries.timeline(
        order_id_of(order_id), owner_of(principal), after=after, limit=limit + 1
    )
    found = pagination.page(rows, limit, lambda entry: pagination.encode_cursor(entry.version))
    if principal.role == CUSTOMER:
        own = await order_acts.own(order)
        return Timeline(
            order.id,
            [_event_view(entry, own, to_staff=False) for entry in found.items],
            found.next_cursor,
        )
    known, unanswered = await order_acts.everywhere(order, deadline)
    entries = [_event_view(entry, known, to_staff=True) for entry in found.items]
    return Timeline(order.id, entries, found.next_cursor, known, unanswered)


ROUTES = [list_orders, get_order, get_timeline]


def _event_view(
    entry: HistoryEntry, acts: Sequence[RecordedAct], *, to_staff: bool
) -> OrderEventView:
    return OrderEventView(
        version=entry.version,
        type=entry.type,
        occurred_at=entry.occurred_at,
        trace_id=entry.trace_id,
        status=entry.status,
        error_code=entry.error_code,
        error_message=entry.error_message,
        steps=step_views(shown(entry.steps)),
        refund=msgspec.UNSET if entry.refund is None else RefundedView(*entry.refund),
        held_until=entry.held_until or msgspec.UNSET,
        nothing_to_undo=found_nothing_to_undo(entry.steps) or msgspec.UNSET,
        by=_by(entry, cause_of(entry, acts), to_staff=to_staff),
    )


def _by(entry: HistoryEntry, act: RecordedAct | None, *, to_staff: bool) -> By | None:
    """Return the origin of an entry.

    Acts of refunds are stored in payments: without its answer they are marked as acts of staff all
    the same.
    """
    if act is not None:
        return by(act, to_staff=to_staff)
    return None if entry.refund is None else By(BY_STAFF)
