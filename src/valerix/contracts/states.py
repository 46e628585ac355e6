"""The states of orders, payments, refunds, reservations and notifications, and their meaning.

The values are data: databases, events, answers and client programs contain them. A new state is
added here first; every `match` over these enums is exhaustive, so mypy then names the places that
have to handle it.
"""

from enum import StrEnum
from typing import Final, assert_never


class Tone(StrEnum):
    """The colour of a state in user interfaces; a label always stands beside it."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    PLAIN = "plain"


class OrderStatus(StrEnum):
    """States of an order, in the order of its life. Later versions may add some."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether no other state follows."""
        match self:
            case OrderStatus.COMPLETED | OrderStatus.FAILED | OrderStatus.CANCELLED:
                return True
            case (
                OrderStatus.PENDING
                | OrderStatus.CONFIRMED
                | OrderStatus.PROCESSING
                | OrderStatus.SHIPPED
            ):
                return False
            case _:
                assert_never(self)

    @property
    def cancellable(self) -> bool:
        """Whether the order can still be cancelled: the goods have not left."""
        match self:
            case OrderStatus.PENDING | OrderStatus.CONFIRMED | OrderStatus.PROCESSING:
                return True
            case (
                OrderStatus.SHIPPED
                | OrderStatus.COMPLETED
                | OrderStatus.FAILED
                | OrderStatus.CANCELLED
            ):
                return False
            case _:
                assert_never(self)

    @property
    def tone(self) -> Tone:
        match self:
            case OrderStatus.PENDING:
                return Tone.WARN
            case (
                OrderStatus.CONFIRMED
                | OrderStatus.PROCESSING
                | OrderStatus.SHIPPED
                | OrderStatus.COMPLETED
            ):
                return Tone.OK
            case OrderStatus.FAILED:
                return Tone.BAD
            case OrderStatus.CANCELLED:
                return Tone.PLAIN
            case _:
                assert_never(self)


def _is_unsuccessful(status: OrderStatus) -> bool:
    match status:
        case OrderStatus.FAILED | OrderStatus.CANCELLED:
            return True
        case OrderStatus.PENDING | OrderStatus.CONFIRMED | OrderStatus.PROCESSING:
            return False
        case OrderStatus.SHIPPED | OrderStatus.COMPLETED:
            return False
        case _:
            assert_never(status)


UNSUCCESSFUL: Final = frozenset(status for status in OrderStatus if _is_unsuccessful(status))
"""States in which an order ended without a delivery: nothing stays reserved, no money is kept."""


class FulfilmentStatus(StrEnum):
    """States to which staff may move an order."""

    PROCESSING = OrderStatus.PROCESSING
    SHIPPED = OrderStatus.SHIPPED
    COMPLETED = OrderStatus.COMPLETED


class PaymentStatus(StrEnum):
    """States of a payment. Later versions may add some.

    `processing`: the provider has not answered yet; `voided`: ended before any charge.
    """

    PROCESSING = "processing"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DECLINED = "declined"
    VOIDED = "voided"

    @property
    def holds_money(self) -> bool:
        """Whether money of the customer is kept."""
        match self:
            case PaymentStatus.CAPTURED | PaymentStatus.PARTIALLY_REFUNDED:
                return True
            case (
                PaymentStatus.PROCESSING
                | PaymentStatus.REFUNDED
                | PaymentStatus.DECLINED
                | PaymentStatus.VOIDED
            ):
                return False
            case _:
                assert_never(self)

    @property
    def terminal(self) -> bool:
        """Whether no other state follows."""
        match self:
            case PaymentStatus.REFUNDED | PaymentStatus.DECLINED | PaymentStatus.VOIDED:
                return True
            case (
                PaymentStatus.PROCESSING | PaymentStatus.CAPTURED | PaymentStatus.PARTIALLY_REFUNDED
            ):
                return False
            case _:
                assert_never(self)

    @property
    def tone(self) -> Tone:
        match self:
            case PaymentStatus.CAPTURED:
                return Tone.OK
            case PaymentStatus.PROCESSING | PaymentStatus.PARTIALLY_REFUNDED:
                return Tone.WARN
            case PaymentStatus.DECLINED:
                return Tone.BAD
            case PaymentStatus.REFUNDED:
                return Tone.INFO
            case PaymentStatus.VOIDED:
                return Tone.PLAIN
            case _:
                assert_never(self)


class ChargeStatus(StrEnum):
    """States of a charge, as the payment provider names them.

    `cancelled`: its reference can never be charged.
    """

    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class RefundStatus(StrEnum):
    """States of a refund. `failed`: the provider refused it permanently."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether no other state follows."""
        return self is not RefundStatus.PENDING

    @property
    def tone(self) -> Tone:
        match self:
            case RefundStatus.PENDING:
                return Tone.WARN
            case RefundStatus.SUCCEEDED:
                return Tone.OK
            case RefundStatus.FAILED:
                return Tone.BAD
            case _:
                assert_never(self)


class ReservationStatus(StrEnum):
    """States of the stock reservation of an order.

    `absent`: nothing is reserved yet; a row in this state means that the order waits.
    """

    RESERVED = "reserved"
    RELEASED = "released"
    COMMITTED = "committed"
    ABSENT = "absent"

    @property
    def terminal(self) -> bool:
        """Whether no other state follows."""
        match self:
            case ReservationStatus.RELEASED | ReservationStatus.COMMITTED:
                return True
            case ReservationStatus.RESERVED | ReservationStatus.ABSENT:
                return False
            case _:
                assert_never(self)

    @property
    def tone(self) -> Tone:
        match self:
            case ReservationStatus.RESERVED:
                return Tone.WARN
            case ReservationStatus.COMMITTED:
                return Tone.OK
            case ReservationStatus.RELEASED | ReservationStatus.ABSENT:
                return Tone.PLAIN
            case _:
                assert_never(self)


class NotificationStatus(StrEnum):
    """States of a message.

    `failed`: refused permanently or tried too often; `skipped`: no address, or a day late.
    """

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def terminal(self) -> bool:
        """Whether no other state follows."""
        return self is not NotificationStatus.QUEUED

    @property
    def tone(self) -> Tone:
        match self:
            case NotificationStatus.QUEUED:
                return Tone.WARN
            case NotificationStatus.SENT:
                return Tone.OK
            case NotificationStatus.FAILED:
                return Tone.BAD
            case NotificationStatus.SKIPPED:
                return Tone.PLAIN
            case _:
                assert_never(self)


Status = OrderStatus | PaymentStatus | RefundStatus | ReservationStatus | NotificationStatus
STATES = (OrderStatus, PaymentStatus, RefundStatus, ReservationStatus, NotificationStatus)


def label(status: Status) -> str:
    """Return the state in words: `partially refunded`."""
    return status.replace("_", " ")


def sql(*states: Status) -> str:
    """Return the states as SQL literals: `'confirmed', 'shipped'`.

    With parameters, the planner would not see that a query implies the condition of a partial
    index.
    """
    return ", ".join(f"'{state}'" for state in states)
