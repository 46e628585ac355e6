"""Money: integer minor units (cents) and an ISO 4217 currency code. Never a float."""

from typing import Annotated, Final

import msgspec

Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", examples=["USD"])]
AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Money(msgspec.Struct, frozen=True, rename="camel"):
    """An amount in the currency's minor unit, as the API writes it: `{"amountMinor": 129900, "currency": "USD"}`."""

    amount_minor: AmountMinor
    currency: Currency


MINOR_DIGITS: Final = {
    currency: digits
    for digits, currencies in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for currency in currencies.split()
}
"""ISO 4217, where it is not 2."""


def money_text(amount: Money) -> str:
    """As people read it: `1,299.00 USD`."""
    digits = MINOR_DIGITS.get(amount.currency, 2)
    units, rest = divmod(amount.amount_minor, 10**digits)
    return f"{units:,}{f'.{rest:0{digits}}' if digits else ''} {amount.currency}"
