"""Money: integer minor units (cents) and an ISO 4217 currency code. Never a float."""

from typing import Annotated

import msgspec

Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", examples=["USD"])]
AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Money(msgspec.Struct, frozen=True, rename="camel"):
    """An amount in the currency's minor unit, as the API writes it: `{"amountMinor": 129900, "currency": "USD"}`."""

    amount_minor: AmountMinor
    currency: Currency
