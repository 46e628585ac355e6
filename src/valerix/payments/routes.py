"""HTTP routes of the payments service: request in, use case, response out."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.params import Parameter

from valerix.chassis.base import idempotency, pagination, validation
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Invalid
from valerix.chassis.description.openapi import LOCATION, answer, in_path
from valerix.chassis.http.raw import RawRoute, command_route
from valerix.chassis.identity.tokens import Principal
from valerix.contracts import text
from valerix.contracts.acts import Actor, RecordedAct
from valerix.contracts.commands import (
    CAPTURE_PAYMENTS,
    VOID_PAYMENTS,
    CapturePayments,
    VoidPayments,
)
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.ids import is_id
from valerix.contracts.payment_methods import METHODS
from valerix.contracts.roles import ANYONE, CUSTOMER, STAFF, ServiceName, calls_from
from valerix.contracts.states import PaymentStatus, RefundStatus
from valerix.payments import domain
from valerix.payments.captures import CaptureRequest, Captures
from valerix.payments.domain import PaymentEvent, PaymentFilter, Refund
from valerix.payments.owed import (
    ChargeNotOwed,
    OrderNotPayable,
    OrderNotRefundable,
    RequestedCharge,
)
from valerix.payments.refunds import RefundRequest
from valerix.payments.refunds_by_hand import RefundsByHand
from valerix.payments.schemas import (
    CapturePaymentBody,
    ListedRefund,
    PaymentDetail,
    PaymentEventView,
    PaymentView,
    RefundBody,
    RefundView,
    event_views,
    refund_view,
    refund_views,
    view,
)
from valerix.payments.searching import Searching
from valerix.payments.use_cases import Detail, PaymentsUseCases

PATH = "/api/v1/payments"
Id = Annotated[str, in_path(text.UUID)]
Version = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]

ORDER: Final = "01a22881-c76a-70a2-a1a8-104e83d90c62"
"""Used in the examples."""
UNKNOWN: Final = (domain.PaymentNotFound,)
REFUND_REFUSALS: Final = (
    domain.NotRefundable,
    domain.CancelInstead,
    OrderNotRefundable,
    domain.RefundRejected,
    domain.RefundExceedsCaptured,
)
CAPTURE_REFUSALS: Final = (domain.CaptureDeclined, domain.PaymentMismatch, domain.PaymentVoided)


def internal_routes(payments: PaymentsUseCases) -> list[RawRoute]:
    """The internal commands of the orders service, all with lists."""
    orders = calls_from(ServiceName.ORDERS)
    return [
        command_route(CAPTURE_PAYMENTS, orders, CapturePayments, payments.capture),
        command_route(VOID_PAYMENTS, orders, VoidPayments, payments.void),
    ]


@post(
    PATH,
    access=STAFF,
    tags=["payments"],
    operation_id="capturePayment",
    example={
        "orderId": ORDER,
        "customerId": "CUST-001",
        "amount": {"amountMinor": 129900, "currency": "USD"},
        "method": "card_ok",
    },
    responses={
        200: answer("Captured before: a paid order keeps its payment", PaymentView),
        202: answer("The provider has not answered yet", PaymentView),
    },
    response_headers=[LOCATION],
    response_description="Captured",
    refuses=[OrderNotFound, OrderNotPayable, ChargeNotOwed, *CAPTURE_REFUSALS],
)
async def capture_payment(
    captures: Captures,
    principal: Principal,
    deadline: Deadline,
    actor: Actor,
    data: CapturePaymentBody,
    key: Annotated[str | None, Parameter(header="Idempotency-Key")] = None,
) -> Response[PaymentView]:
    """Charge a pending order what it owes. The order must have a price and must not be under
    cancellation, and the body must match its charge.

    402: the payment was declined. 404: the order does not exist. 409: the order is in another
    state, or has another payment. 422: the order owes another charge.
    """
    validation.check_one_of("method", data.method, METHODS)
    amount = data.amount
    parsed = idempotency.parse_key(key)
    request = CaptureRequest(
        RequestedCharge(
            data.order_id, data.customer_id, amount.amount_minor, amount.currency, data.method
        ),
        idempotency.lookup_key(principal.subject, "POST", PATH, parsed) if parsed else None,
        idempotency.fingerprint(data),
        actor,
    )
    payment, fresh, replayed = await captures.capture(request, deadline)
    status = 202 if payment.status is PaymentStatus.PROCESSING else 201 if fresh else 200
    headers = {"Location": f"{PATH}/{payment.id}"} | (
        {idempotency.REPLAYED: "true"} if replayed else {}
    )
    return Response(view(payment), status_code=status, headers=headers)


@get(PATH, access=STAFF, tags=["payments"], operation_id="listPayments")
async def list_payments(
    searching: Searching,
    deadline: Deadline,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
    status: Annotated[
        str | None, Parameter(max_length=50, schema_extra={"enum": [*PaymentStatus]})
    ] = None,
    customer_id: Annotated[str | None, Parameter(query="customerId", max_length=50)] = None,
    order_id: Annotated[str | None, Parameter(query="orderId", max_length=50)] = None,
    method: Annotated[
        str | None, Parameter(max_length=50, schema_extra={"enum": [*METHODS]})
    ] = None,
    q: Annotated[
        str | None,
        Parameter(
            max_length=100, description="Beginning or last 4 to 12 digits of an id; or a customer."
        ),
    ] = None,
    created_from: pagination.Since = None,
    created_to: pagination.Until = None,
) -> pagination.Page[PaymentView]:
    """List payments, newest first."""
    validation.check_one_of("status", status, tuple(PaymentStatus))
    validation.check_one_of("method", method, METHODS)
    wanted = PaymentFilter(
        limit=limit + 1,
        before=None if cursor is None else _cursor_id(cursor),
        status=None if status is None else PaymentStatus(status),
        customer_id=customer_id,
        order_id=order_id,
        method=method,
        search=q,
        first=pagination.parse_first_id("from", created_from),
        last=pagination.parse_first_id("to", created_to),
    )
    rows = await searching.search(wanted, deadline)
    found = pagination.page(rows, limit, lambda payment: pagination.encode_cursor(payment.id))
    return pagination.Page([view(payment) for payment in found.items], found.next_cursor)


@get(
    PATH + "/{payment_id:str}",
    access=ANYONE,
    tags=["payments"],
    operation_id="getPayment",
    refuses=UNKNOWN,
)
async def get_payment(
    payments: PaymentsUseCases, principal: Principal, payment_id: Id
) -> PaymentDetail:
    """Get one payment with its first refunds and the beginning of its history. Customers see their
    own payments only.
    """
    return _detail(
        await payments.get(_id(payment_id), _owner(principal), pagination.DEFAULT_LIMIT + 1),
        principal,
    )


@get(
    PATH + "/order/{order_id:str}",
    access=ANYONE,
    tags=["payments"],
    operation_id="getPaymentOfOrder",
    refuses=UNKNOWN,
)
async def get_payment_of_order(
    payments: PaymentsUseCases, principal: Principal, order_id: Id
) -> PaymentDetail:
    """Get the payment of an order. Customers see their own payments only."""
    return _detail(
        await payments.get_of_order(order_id, _owner(principal), pagination.DEFAULT_LIMIT + 1),
        principal,
    )


@get(
    PATH + "/{payment_id:str}/refunds",
    access=ANYONE,
    tags=["payments"],
    operation_id="listRefunds",
    refuses=UNKNOWN,
)
async def list_refunds(
    payments: PaymentsUseCases,
    principal: Principal,
    payment_id: Id,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
) -> pagination.Page[ListedRefund]:
    """List the refunds of a payment, oldest first. Customers see refunds of their own payments
    only.
    """
    after = None if cursor is None else _cursor_id(cursor)
    rows, acts = await payments.list_refunds(
        _id(payment_id), _owner(principal), after=after, limit=limit + 1
    )
    return _refund_page(rows, acts, principal, limit)


@get(
    PATH + "/{payment_id:str}/events",
    access=ANYONE,
    tags=["payments"],
    operation_id="listPaymentEvents",
    refuses=UNKNOWN,
)
async def list_payment_events(
    payments: PaymentsUseCases,
    principal: Principal,
    payment_id: Id,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
) -> pagination.Page[PaymentEventView]:
    """List the history of a payment, oldest first. Customers see their own payments only."""
    after = 0 if cursor is None else pagination.decode_cursor(cursor, tuple[Version])[0]
    rows, acts = await payments.list_events(
        _id(payment_id), _owner(principal), after=after, limit=limit + 1
    )
    return _event_page(rows, acts, principal, limit)


@post(
    PATH + "/{payment_id:str}/refund",
    access=STAFF,
    tags=["payments"],
    operation_id="refundPayment",
    example={"amountMinor": 500, "reason": "arrived late"},
    responses={
        200: answer("An earlier request with the same key made this refund", RefundView),
        202: answer("The provider has not answered yet; the refund will be made", RefundView),
    },
    response_headers=[LOCATION],
    response_description="Refunded",
    refuses=[*UNKNOWN, *REFUND_REFUSALS],
)
async def refund_payment(
    payments: PaymentsUseCases,
    by_hand: RefundsByHand,
    principal: Principal,
    deadline: Deadline,
    actor: Actor,
    payment_id: Id,
    data: RefundBody,
    refusal: Invalid | None,
    key: Annotated[str | None, Parameter(header="Idempotency-Key")] = None,
) -> Response[RefundView]:
    """Refund part of a payment or, without an amount, all that is left. A payment can be refunded
    in full only once its order has shipped.

    409: the order has to be cancelled instead, or its state permits no refund.
    """
    parsed = idempotency.parse_key(key)
    request = RefundRequest(
        _id(payment_id),
        data.amount_minor,
        data.reason,
        idempotency.lookup_key(principal.subject, "POST", f"{PATH}/{payment_id}/refund", parsed)
        if parsed
        else None,
        idempotency.fingerprint(data),
        actor=actor,
        refusal=refusal,
    )
    wait_seconds = min(payments.wait_seconds, deadline.remaining())
    refund, replayed = await by_hand.refund(request, wait_seconds, deadline)
    status = 202 if refund.status is RefundStatus.PENDING else 200 if replayed else 201
    headers = {"Location": f"{PATH}/{payment_id}"} | (
        {idempotency.REPLAYED: "true"} if replayed else {}
    )
    return Response(refund_view(refund), status_code=status, headers=headers)


ROUTES = [
    capture_payment,
    list_payments,
    get_payment,
    get_payment_of_order,
    list_refunds,
    list_payment_events,
    refund_payment,
]


def _owner(principal: Principal) -> str | None:
    """The customer with the payments this caller may see; None: all payments."""
    return principal.owner_id or "" if principal.role == CUSTOMER else None


def _id(text: str) -> str:
    if not is_id(text):
        raise domain.PaymentNotFound
    return text


def _cursor_id(cursor: str) -> str:
    (payment_id,) = pagination.decode_cursor(
        cursor, tuple[Annotated[str, msgspec.Meta(pattern=text.UUID)]]
    )
    return payment_id


def _detail(found: Detail, viewer: Principal) -> PaymentDetail:
    refunds = _refund_page(found.refunds, found.acts, viewer, pagination.DEFAULT_LIMIT)
    history = _event_page(found.history, found.acts, viewer, pagination.DEFAULT_LIMIT)
    return PaymentDetail(
        **msgspec.structs.asdict(view(found.payment)),
        refunds=refunds.items,
        history=history.items,
        refunds_cursor=refunds.next_cursor,
        history_cursor=history.next_cursor,
    )


def _refund_page(
    rows: list[Refund], acts: Sequence[RecordedAct], viewer: Principal, limit: int
) -> pagination.Page[ListedRefund]:
    found = pagination.page(rows, limit, lambda refund: pagination.encode_cursor(refund.id))
    return pagination.Page(
        refund_views(found.items, acts, to_staff=viewer.role != CUSTOMER), found.next_cursor
    )


def _event_page(
    rows: list[PaymentEvent], acts: Sequence[RecordedAct], viewer: Principal, limit: int
) -> pagination.Page[PaymentEventView]:
    found = pagination.page(rows, limit, lambda event: pagination.encode_cursor(event.version))
    return pagination.Page(
        event_views(found.items, acts, to_staff=viewer.role != CUSTOMER), found.next_cursor
    )
