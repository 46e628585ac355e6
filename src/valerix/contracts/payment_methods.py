"""The payment methods of Valerix: name → label.

The test methods behave like those of a provider's sandbox.
"""

from typing import Annotated, Final

import msgspec

METHODS: Final[dict[str, str]] = {
    "card_ok": "Test card: succeeds",
    "visa": "Visa",
    "mastercard": "Mastercard",
    "card_declined": "Test card: declined by the issuer",
    "card_insufficient_funds": "Test card: declined for insufficient funds",
    "card_expired": "Test card: declined as expired",
    "card_timeout": "Test card: charged, but the provider's answer comes only after 15 s",
    "card_flaky": "Test card: the provider fails on the first attempt and succeeds on the next",
}

PaymentMethod = Annotated[str, msgspec.Meta(extra={"openapi": {"enum": [*METHODS]}})]
"""One of METHODS, which the API description lists.

Schemas of events stay open, as they were pinned.
"""
