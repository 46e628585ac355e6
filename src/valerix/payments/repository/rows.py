"""Payments as rows, read by several flows."""

from typing import NamedTuple

from valerix.chassis.postgres.rows import Reader
from valerix.payments.domain import Payment


class PaymentChange(NamedTuple):
    """A payment in its new state, with the event that emits it."""

    payment: Payment
    type: str
    data: str
    """The payment's representation, as JSON."""
    trace_id: str


PAYMENT = Reader(Payment, "p", id=str)
