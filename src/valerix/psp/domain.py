"""The provider's rules that need no state, and its refusals."""

from typing import Final

from valerix.contracts.errors import DomainError

DECLINES: Final = {
    "card_declined": "card_declined",
    "card_insufficient_funds": "insufficient_funds",
    "card_expired": "expired_card",
}
"""Methods that the issuer declines, with the reason it gives."""
FORCED_DECLINE: Final = "card_declined"
"""The reason of a forced decline, which no method causes."""
SLOW_METHOD: Final = "card_timeout"
FLAKY_METHOD: Final = "card_flaky"


class ReferenceReused(DomainError):
    code = "reference_reused"

    def __init__(self) -> None:
        super().__init__("This reference was used before with other values")


class ChargeNotFound(DomainError):
    code = "charge_not_found"

    def __init__(self) -> None:
        super().__init__("There is no charge with this reference")


class RefundExceedsCharge(DomainError):
    code = "refund_exceeds_charge"

    def __init__(self, left_minor: int) -> None:
        super().__init__(f"Only {left_minor} minor units of this charge can still be refunded")


class ProviderFault(DomainError):
    """The request had no effect."""

    code = "provider_fault"

    def __init__(self) -> None:
        super().__init__(
            "The provider failed before the charge was made; try again with the same reference"
        )


class AnswerLost(DomainError):
    """The request took effect, but its answer is lost."""

    code = "provider_fault"

    def __init__(self) -> None:
        super().__init__(
            "The provider failed; the outcome of the request can be looked up by its reference"
        )


class MerchantRateLimited(DomainError):
    code = "too_many_requests"

    def __init__(self) -> None:
        super().__init__("Too many requests by this merchant; nothing was done")
