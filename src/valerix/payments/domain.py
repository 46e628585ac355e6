"""The payment and its refunds: states, transitions, and refundable amounts. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self, assert_never

from valerix.contracts.commands import CapturePayment
from valerix.contracts.errors import DomainError
from valerix.contracts.ids import created_at
from valerix.contracts.states import ChargeStatus, PaymentStatus, RefundStatus
from valerix.payments.owed import RequestedCharge


def _followers(status: PaymentStatus) -> set[PaymentStatus]:
    match status:
        case PaymentStatus.PROCESSING:
            return {PaymentStatus.CAPTURED, PaymentStatus.DECLINED, PaymentStatus.VOIDED}
        case PaymentStatus.CAPTURED | PaymentStatus.PARTIALLY_REFUNDED:
            return {PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED}
        case PaymentStatus.REFUNDED | PaymentStatus.DECLINED | PaymentStatus.VOIDED:
            return set()
        case _:
            assert_never(status)


TRANSITIONS: Final = {status: frozenset(_followers(status)) for status in PaymentStatus}
BY_PROVIDER_STATUS: Final = {
    ChargeStatus.CAPTURED: PaymentStatus.CAPTURED,
    ChargeStatus.DECLINED: PaymentStatus.DECLINED,
    ChargeStatus.CANCELLED: PaymentStatus.VOIDED,
}
UNSUPPORTED_METHOD: Final = "unsupported_method"
PROVIDER_REJECTED: Final = "provider_rejected"
PROVIDER_SILENT: Final = "provider_silent"
"""The reason of a payment that is still processing while no process calls the provider about it."""
MISMATCH: Final = "payment_mismatch"
"""The reason of a capture when the order has a payment of another amount, method or customer."""


class IllegalPaymentTransition(DomainError):
    code = "illegal_transition"

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"A payment that is {old} cannot become {new}")


class PaymentNotFound(DomainError):
    code = "payment_not_found"

    def __init__(self) -> None:
        super().__init__("There is no payment with this id")


class CaptureDeclined(DomainError):
    code = "payment_declined"

    def __init__(self, reason: str | None, payment_id: str) -> None:
        super().__init__(
            f"The payment was declined ({reason or 'no reason given'})",
            reason=reason,
            paymentId=payment_id,
        )


class PaymentMismatch(DomainError):
    code = MISMATCH

    def __init__(self, payment_id: str) -> None:
        detail = "This order already has a payment with another amount, method or customer"
        super().__init__(detail, paymentId=payment_id)


class PaymentVoided(DomainError):
    code = "payment_voided"

    def __init__(self, payment_id: str) -> None:
        super().__init__(
            "This order ended without a payment; it can never be charged", paymentId=payment_id
        )


class NotRefundable(DomainError):
    code = "not_refundable"

    def __init__(self, status: str) -> None:
        super().__init__(f"The payment is {status}; only captured payments can be refunded")


class RefundExceedsCaptured(DomainError):
    code = "refund_exceeds_captured"

    def __init__(self, left_minor: int) -> None:
        super().__init__(
            f"At most {left_minor} minor units can still be refunded", refundableMinor=left_minor
        )


class CancelInstead(DomainError):
    code = "cancel_instead"

    def __init__(self) -> None:
        super().__init__("The order has not shipped; cancel it to refund the whole payment")


class RefundRejected(DomainError):
    code = "refund_rejected"

    def __init__(self, failure: str | None, refund_id: str) -> None:
        super().__init__(
            f"The provider refused the refund ({failure or 'no reason given'})", refundId=refund_id
        )


class Payment(NamedTuple):
    """A payment as stored in its row. Amounts in minor units, times aware UTC.

    Customer, amount, currency and method are None only when the order was voided before its charge.
    """

    id: str
    order_id: str
    customer_id: str | None
    amount_minor: int | None
    currency: str | None
    method: str | None
    status: PaymentStatus
    reason: str | None
    provider_reference: str
    captured_minor: int
    refunding_minor: int
    refunded_minor: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def refundable_minor(self) -> int:
        return self.captured_minor - self.refunding_minor - self.refunded_minor

    @property
    def is_tombstone(self) -> bool:
        """Whether the order was voided before its charge."""
        return self.customer_id is None

    def is_for(self, requested: CapturePayment | RequestedCharge) -> bool:
        """Whether this payment is the requested one: same customer, amount, currency and method."""
        wanted = (
            requested.customer_id,
            requested.amount_minor,
            requested.currency,
            requested.method,
        )
        return wanted == (self.customer_id, self.amount_minor, self.currency, self.method)

    def moved(self, status: PaymentStatus, now: datetime, reason: str | None = None) -> Self:
        """The payment in `status`, with the next version. Raises IllegalPaymentTransition."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalPaymentTransition(self.status, status)
        captured = (
            (self.amount_minor or 0) if status is PaymentStatus.CAPTURED else self.captured_minor
        )
        return self._replace(
            status=status,
            reason=reason,
            captured_minor=captured,
            version=self.version + 1,
            updated_at=now,
        )

    def promised(self, amount_minor: int | None) -> tuple[Self, int]:
        """The payment with an amount set aside for a refund, and this amount.

        `amount_minor`: None means all that is left. Raises NotRefundable, RefundExceedsCaptured.
        """
        if not self.status.holds_money:
            raise NotRefundable(self.status)
        left = self.refundable_minor
        amount = left if amount_minor is None else amount_minor
        if not 0 < amount <= left:
            raise RefundExceedsCaptured(left)
        return self._replace(refunding_minor=self.refunding_minor + amount), amount

    def given_back(self, amount_minor: int, now: datetime) -> Self:
        """The payment after a refund of the amount set aside for it."""
        refunded = self.refunded_minor + amount_minor
        everything = refunded == self.captured_minor
        status = PaymentStatus.REFUNDED if everything else PaymentStatus.PARTIALLY_REFUNDED
        kept = self._replace(
            refunding_minor=self.refunding_minor - amount_minor, refunded_minor=refunded
        )
        return kept.moved(status, now, self.reason)

    def kept(self, amount_minor: int, now: datetime) -> Self:
        """The payment after a refund was refused for good: the amount set aside is free again."""
        return self._replace(
            refunding_minor=self.refunding_minor - amount_minor,
            version=self.version + 1,
            updated_at=now,
        )


class Refund(NamedTuple):
    """One refund. `failure`: the reason why the provider refused it."""

    id: str
    payment_id: str
    amount_minor: int
    reason: str
    status: RefundStatus
    failure: str | None
    provider_reference: str
    created_at: datetime
    updated_at: datetime


class PaymentEvent(NamedTuple):
    """One entry of a payment's history, with the state that it brought the payment to."""

    version: int
    type: str
    status: PaymentStatus
    occurred_at: datetime
    trace_id: str


@dataclass(frozen=True)
class PaymentFilter:
    """The payments to list: up to `limit`, older than `before`, with ids in [first, last).

    None: no condition. `search`: the beginning or the end of an id, or a customer. `order_ids`: the
    orders with ids that end with `search`.
    """

    limit: int
    before: str | None
    status: PaymentStatus | None
    customer_id: str | None
    order_id: str | None
    method: str | None
    search: str | None
    first: str | None
    last: str | None
    order_ids: Sequence[str] = ()


def new_payment(payment_id: str, command: CapturePayment) -> Payment:
    """A payment not yet requested from the provider.

    Its provider reference follows from the order alone.
    """
    now = created_at(payment_id)
    return Payment(
        id=payment_id,
        order_id=command.order_id,
        customer_id=command.customer_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        method=command.method,
        status=PaymentStatus.PROCESSING,
        reason=None,
        provider_reference=_reference(command.order_id),
        captured_minor=0,
        refunding_minor=0,
        refunded_minor=0,
        version=0,
        created_at=now,
        updated_at=now,
    )


def tombstone(payment_id: str, order_id: str, reason: str) -> Payment:
    """The payment of an order that must never be charged."""
    now = created_at(payment_id)
    return Payment(
        id=payment_id,
        order_id=order_id,
        customer_id=None,
        amount_minor=None,
        currency=None,
        method=None,
        status=PaymentStatus.VOIDED,
        reason=reason,
        provider_reference=_reference(order_id),
        captured_minor=0,
        refunding_minor=0,
        refunded_minor=0,
        version=1,
        created_at=now,
        updated_at=now,
    )


def new_refund(refund_id: str, payment_id: str, amount_minor: int, reason: str) -> Refund:
    """A refund not yet requested from the provider."""
    now = created_at(refund_id)
    reference = f"refund-{refund_id}"
    return Refund(
        refund_id, payment_id, amount_minor, reason, RefundStatus.PENDING, None, reference, now, now
    )


def _reference(order_id: str) -> str:
    return f"order-{order_id}"
