"""Bodies of the provider's API and the lines of its ledger."""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from valerix.chassis.base import validation
from valerix.chassis.base.problems import Problems, ProblemType
from valerix.contracts.money import Currency
from valerix.contracts.payment_methods import METHODS
from valerix.contracts.states import ChargeStatus
from valerix.psp import domain

MAX_REFERENCES = 256
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Amount = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class ChargeRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A charge.

    `reference` is the merchant's own and is the idempotency key: one reference is charged at most
    once, ever.
    """

    reference: Reference
    amount_minor: Amount
    currency: Currency
    method: str


class CancelRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Forbids a charge that has not been made; a charge that has been made stays as it is."""

    reference: Reference


class FindRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    references: Annotated[list[Reference], msgspec.Meta(max_length=MAX_REFERENCES)]


class ProviderRefundRequest(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True
):
    """A refund. `reference` is the refund's own, and is its idempotency key."""

    reference: Reference
    charge_reference: Reference
    amount_minor: Amount


class LedgerCharge(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A charge in the ledger.

    `declined`: with `reason`; `cancelled`: was never charged, and never will be.
    """

    reference: str
    status: ChargeStatus
    amount_minor: int = 0
    currency: str = ""
    method: str = ""
    reason: str | None = None
    refunded_minor: int = 0
    captures: int = 0
    """Number of ledger lines that took this money; more than one is a double charge."""


class Charges(msgspec.Struct, frozen=True, rename="camel"):
    """The known charges among the requested references."""

    charges: list[LedgerCharge]


class LedgerRefund(msgspec.Struct, frozen=True, rename="camel", gc=False):
    reference: str
    charge_reference: str
    amount_minor: int


class LedgerLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One line of the ledger; `seq` is its number in the file, from 1 without a gap."""

    seq: int
    at: datetime
    charge: LedgerCharge | None = None
    refund: LedgerRefund | None = None


class CurrencyTotals(msgspec.Struct, frozen=True, rename="camel"):
    currency: str
    captured_minor: int
    refunded_minor: int


class LedgerPage(msgspec.Struct, frozen=True, rename="camel"):
    """Counts of the entire ledger at one moment, and some charges in the order of arrival."""

    lines: int
    captured: int
    declined: int
    cancelled: int
    refunds: int
    totals: list[CurrencyTotals]
    charges: list[LedgerCharge]
    next: int | None
    """Value of `after` for the next page; null on the last page."""


def check_method(method: str) -> None:
    """Check that the method is offered. Raises Invalid."""
    validation.check_one_of("method", method, METHODS)


PROBLEMS: Final[Problems] = {
    domain.ReferenceReused: ProblemType(422, "The reference belongs to another request"),
    domain.ChargeNotFound: ProblemType(404, "No such charge"),
    domain.RefundExceedsCharge: ProblemType(409, "The refund exceeds the charge"),
    domain.ProviderFault: ProblemType(500, "The provider failed"),
    domain.AnswerLost: ProblemType(500, "The provider failed"),
    domain.MerchantRateLimited: ProblemType(429, "Too many requests", {"Retry-After": "1"}),
}
"""The HTTP problem for each domain error."""
