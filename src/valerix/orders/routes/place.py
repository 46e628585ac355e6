"""Placing an order: the hot path, past the framework."""

from decimal import Decimal
from typing import Annotated

import msgspec
from litestar import post
from litestar.params import Parameter

from valerix.chassis.base import idempotency, telemetry, validation
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import FieldError, Invalid
from valerix.chassis.calls.client import NotSent
from valerix.chassis.description.openapi import LOCATION, answer
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.chassis.identity.tokens import Principal
from valerix.chassis.messaging.acts import act_of
from valerix.contracts.acts import ORDER_PLACED
from valerix.contracts.money import Money, in_minor_units, money_text
from valerix.contracts.roles import ANYONE, CUSTOMER
from valerix.orders import metrics
from valerix.orders.answers import Answer
from valerix.orders.errors import BeyondBounds, NotYourCustomer, UnknownProduct
from valerix.orders.order import OrderLine
from valerix.orders.placing import PlaceRequest, Placing, new_order
from valerix.orders.products import Products
from valerix.orders.routes import PATH, PROBLEM
from valerix.orders.routes.pieces import REFUSED
from valerix.orders.schemas import OrderView, PlaceOrderBody, decode_place


def place_route(placing: Placing, products: Products) -> RawRoute:
    """Return the raw route of `POST /api/v1/orders`."""

    async def place(request: RawRequest) -> RawResponse:
        body = decode_place(request.body)
        principal = request.principal
        assert principal is not None  # noqa: S101 - the route is not public
        if principal.role == CUSTOMER and body.customer_id != principal.owner_id:
            raise NotYourCustomer
        wanted = _request(body, body.lines(), body.expected_total, principal, request)
        if refusal := validation.refused_text(PlaceOrderBody, request.body):
            # A request from before such text was refused is answered as it was then.
            if first := await placing.find_first(wanted):
                return _place_response(first)
            raise refusal
        if body.product is not None:
            try:
                lines, expected = await _one_unit(
                    products, body.product, body.amount, body.expected_total, request.deadline
                )
            except (UnknownProduct, Invalid, NotSent):
                # The catalogue may have changed since the first request with this key.
                if first := await placing.find_first(wanted):
                    return _place_response(first)
                raise
            wanted.order.lines, wanted.order.expected_total = lines, expected
        return _place_response(await placing.place(wanted))

    return RawRoute(
        "POST", PATH, ANYONE, place, document=_document_place, answered=metrics.answered
    )


async def _one_unit(
    products: Products,
    name: str,
    amount: Decimal | None,
    expected: Money | None,
    deadline: Deadline,
) -> tuple[list[OrderLine], Money | None]:
    """Return the line, and the total it may cost. Raises UnknownProduct, Invalid, NotSent."""
    product = await products.find(name, deadline)
    if amount is not None:
        minor = in_minor_units(amount, product.currency)
        if minor is None:
            example = money_text(Money(1250, product.currency))
            message = f"Expected an amount of {product.currency}, such as {example}"
            raise Invalid.of("amount", message)
        expected = Money(minor, product.currency)
    return [OrderLine(product.product_id, 1)], expected


def _request(
    body: PlaceOrderBody,
    lines: list[OrderLine],
    expected: Money | None,
    principal: Principal,
    request: RawRequest,
) -> PlaceRequest:
    header = idempotency.parse_key(request.header(b"idempotency-key"))
    if header and body.idempotency_key and header != body.idempotency_key:
        message = (
            "The Idempotency-Key header and idempotencyKey in the body differ; send one of them"
        )
        raise Invalid(message, [FieldError("/idempotencyKey", message)])
    key = header or body.idempotency_key
    body.idempotency_key = None  # the source of the key is not part of the request
    address = None if body.shipping_address is None else msgspec.to_builtins(body.shipping_address)
    order = new_order(
        body.customer_id, lines, body.payment_method, body.on_shortage, address, expected
    )
    return PlaceRequest(
        order,
        idempotency.lookup_key(principal.subject, "POST", PATH, key) if key else None,
        idempotency.fingerprint(body),
        telemetry.trace_id.get(),
        request.deadline,
        bounded=principal.role == CUSTOMER,
        act=act_of(
            request.actor,
            ORDER_PLACED,
            order.id,
            customerId=order.customer_id,
            version=order.version,
        ),
    )


def _place_response(answer: Answer) -> RawResponse:
    headers = [(b"location", f"{PATH}/{answer.order_id}".encode())]
    if answer.replayed:
        headers.append((idempotency.REPLAYED.encode(), b"true"))
    if answer.status == 202:
        headers.append((b"retry-after", b"1"))
    media_type = PROBLEM if answer.status >= 400 else b"application/json"
    return RawResponse(answer.status, answer.body, headers, media_type)


@post(
    PATH,
    access=ANYONE,
    tags=["orders"],
    operation_id="placeOrder",
    example={
        "customerId": "CUST-001",
        "items": [{"productId": "PROD-001", "quantity": 2}],
        "paymentMethod": "card_ok",
    },
    responses={
        200: answer("The replay of an earlier success, byte for byte", OrderView),
        202: answer("Accepted: a service is unavailable, the order is processed later", OrderView),
        **REFUSED,
    },
    response_headers=[LOCATION],
    response_description="Confirmed: reserved and paid",
    refuses=[NotYourCustomer, BeyondBounds],
)
async def _document_place(
    data: PlaceOrderBody,
    idempotency_key: Annotated[
        str | None, Parameter(header="Idempotency-Key", max_length=255)
    ] = None,
) -> OrderView:
    """Place an order.

    The body holds `items`, or one line as `productId` and `quantity`, or one unit of a `product`
    (number or name). A repeated request with the same `Idempotency-Key` gets the first answer.
    """
    raise NotImplementedError("the raw route answers this path")
