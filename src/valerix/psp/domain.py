"""The provider's rules that need no state, and what it refuses."""

from typing import Final

from valerix.chassis.base.problems import Conflict, FieldError, Invalid, NotFound, Problem, TooMany, Unprocessable
from valerix.contracts.payment_methods import METHODS

DECLINES: Final = {
    "card_declined": "card_declined",
    "card_insufficient_funds": "insufficient_funds",
    "card_expired": "expired_card",
}
"""Methods whose issuer says no, with the reason given."""
TOLD_TO_DECLINE: Final = "card_declined"
"""The reason when no method asks for it."""
SLOW_METHOD: Final = "card_timeout"
FLAKY_METHOD: Final = "card_flaky"


class ReferenceReused(Unprocessable):
    code, title = "reference_reused", "The reference belongs to another request"

    def __init__(self) -> None:
        super().__init__("This reference was used with other values")


class ChargeNotFound(NotFound):
    code, title = "charge_not_found", "No such charge"

    def __init__(self) -> None:
        super().__init__("There is no charge with this reference")


class RefundExceedsCharge(Conflict):
    code, title = "refund_exceeds_charge", "More than what is left of the charge"

    def __init__(self, left_minor: int) -> None:
        super().__init__(f"Only {left_minor} minor units of this charge can still be refunded")


class ProviderFault(Problem):
    code, title = "provider_fault", "The provider failed"

    def __init__(self) -> None:
        super().__init__("The provider failed before the charge was made; try again with the same reference")


class AnswerLost(Problem):
    code, title = "provider_fault", "The provider failed"

    def __init__(self) -> None:
        super().__init__("The provider failed; what became of the request can be found by its reference")


class RateLimited(TooMany):
    def __init__(self) -> None:
        super().__init__("Too many requests by this merchant; nothing was begun", headers={"Retry-After": "1"})


def check_method(method: str) -> None:
    """Raises Invalid for a method that is not offered."""
    if method not in METHODS:
        message = f"Expected one of: {', '.join(METHODS)}"
        raise Invalid(f"Check method: {message}", [FieldError("/method", message)])
