"""Request and response bodies of the payments API, with the limits of the requests."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from valerix.chassis.base.problems import Problems, ProblemType
from valerix.contracts import text
from valerix.contracts.acts import PAYMENT_CAPTURED, By, RecordedAct, by
from valerix.contracts.commands import Key
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.events import BY_SOURCE, PAYMENTS
from valerix.contracts.money import Currency, Money
from valerix.contracts.payment_methods import PaymentMethod
from valerix.contracts.states import PaymentStatus, RefundStatus
from valerix.payments import domain, owed
from valerix.payments.domain import Payment, PaymentEvent, Refund

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ChargeMinor = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class ChargeAmount(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An amount to charge, in minor units of its currency."""

    amount_minor: ChargeMinor
    currency: Currency


class CapturePaymentBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The charge that an order owes. Every field must match the order. An order is charged once,
    ever.
    """

    order_id: Annotated[str, msgspec.Meta(pattern=text.UUID)]
    customer_id: Key
    amount: ChargeAmount
    method: PaymentMethod


class RefundBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A refund in the currency of the payment. Without an amount, all that is left is refunded."""

    amount_minor: ChargeMinor | None = None
    reason: Reason = "requested"


class PaymentView(msgspec.Struct, frozen=True, rename="camel"):
    """A payment as the API shows it; also the data of its events.

    Customer, method and amounts are null only when the order ended before it was to be charged.
    """

    id: str
    order_id: str
    customer_id: str | None
    amount: Money | None
    method: PaymentMethod | None
    status: PaymentStatus
    reason: str | None
    captured: Money | None
    refunded: Money | None
    refund_pending: Money | None
    provider_reference: str
    version: int
    created_at: datetime
    updated_at: datetime


EVENT_DATA: Final[dict[str, type]] = dict.fromkeys(BY_SOURCE[PAYMENTS], PaymentView)


class RefundView(msgspec.Struct, frozen=True, rename="camel"):
    """A refund. `pending`: no answer of the provider yet. `failed`: it refused, with `failure`."""

    id: str
    payment_id: str
    amount_minor: int
    """In the payment's currency."""
    reason: str
    status: RefundStatus
    failure: str | None
    created_at: datetime
    updated_at: datetime


class ListedRefund(RefundView, frozen=True, rename="camel"):
    """A refund. `by`: the staff member behind it; null when the end of the order caused it."""

    by: By | None = None


class PaymentEventView(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of the history of a payment. `by`: the staff member, if it was an act of staff."""

    version: int
    type: str
    status: PaymentStatus
    occurred_at: datetime
    trace_id: str
    by: By | None = None


class PaymentDetail(PaymentView, frozen=True, rename="camel", kw_only=True):
    """A payment with its first refunds and history entries.

    The cursors continue in the lists of refunds and events; null: there are no more.
    """

    refunds: list[ListedRefund]
    history: list[PaymentEventView]
    refunds_cursor: str | None = None
    history_cursor: str | None = None


def view(payment: Payment) -> PaymentView:
    """The representation of `payment`."""
    return PaymentView(
        id=payment.id,
        order_id=payment.order_id,
        customer_id=payment.customer_id,
        amount=_money(payment.amount_minor, payment),
        method=payment.method,
        status=payment.status,
        reason=payment.reason,
        captured=_money(payment.captured_minor, payment),
        refunded=_money(payment.refunded_minor, payment),
        refund_pending=_money(payment.refunding_minor, payment),
        provider_reference=payment.provider_reference,
        version=payment.version,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )


def refund_view(refund: Refund) -> RefundView:
    """The representation of `refund`."""
    return RefundView(
        id=refund.id,
        payment_id=refund.payment_id,
        amount_minor=refund.amount_minor,
        reason=refund.reason,
        status=refund.status,
        failure=refund.failure,
        created_at=refund.created_at,
        updated_at=refund.updated_at,
    )


def refund_views(
    refunds: Sequence[Refund], acts: Sequence[RecordedAct], *, to_staff: bool
) -> list[ListedRefund]:
    """The representations of refunds of one payment. Customers do not see the actors."""
    by_refund = {act.what.get("refundId"): act for act in acts}
    return [
        ListedRefund(
            **msgspec.structs.asdict(refund_view(refund)),
            by=_by(by_refund.get(refund.id), to_staff=to_staff),
        )
        for refund in refunds
    ]


def event_views(
    history: Sequence[PaymentEvent], acts: Sequence[RecordedAct], *, to_staff: bool
) -> list[PaymentEventView]:
    """The representations of history entries of one payment. Customers do not see the actors."""
    return [
        PaymentEventView(**event._asdict(), by=_by(_cause(event, acts), to_staff=to_staff))
        for event in history
    ]


def _by(act: RecordedAct | None, *, to_staff: bool) -> By | None:
    return None if act is None else by(act, to_staff=to_staff)


def _cause(event: PaymentEvent, acts: Sequence[RecordedAct]) -> RecordedAct | None:
    """The act that caused an entry of the history.

    A payment is captured once. An act of a refund is found by the trace of its request.
    """
    made = (act for act in acts if act.act == PAYMENT_CAPTURED and event.version == 1)
    return next(made, None) or next((act for act in acts if act.trace_id == event.trace_id), None)


def _money(amount_minor: int | None, payment: Payment) -> Money | None:
    return (
        None
        if amount_minor is None or payment.currency is None
        else Money(amount_minor, payment.currency)
    )


PROBLEMS: Final[Problems] = {
    OrderNotFound: ProblemType(404, "No such order"),
    owed.OrderNotPayable: ProblemType(409, "The order cannot be paid now"),
    owed.ChargeNotOwed: ProblemType(422, "The order owes another charge"),
    domain.IllegalPaymentTransition: ProblemType(409, "Illegal status transition"),
    domain.PaymentNotFound: ProblemType(404, "No such payment"),
    domain.CaptureDeclined: ProblemType(402, "The payment was declined"),
    domain.PaymentMismatch: ProblemType(409, "The order has another payment"),
    domain.PaymentVoided: ProblemType(409, "The payment of this order was voided"),
    domain.NotRefundable: ProblemType(409, "There is nothing to refund"),
    domain.RefundExceedsCaptured: ProblemType(422, "The refund exceeds the payment"),
    owed.OrderNotRefundable: ProblemType(409, "The order cannot be refunded now"),
    domain.CancelInstead: ProblemType(409, "Cancel the order instead"),
    domain.RefundRejected: ProblemType(409, "The provider refused the refund"),
}
"""The HTTP problem of each error of the domain."""
