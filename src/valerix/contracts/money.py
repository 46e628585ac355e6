"""Money: integer minor units (cents) and an ISO 4217 currency code. Never a float."""

from decimal import Decimal
from typing import Annotated, Final

import msgspec

from valerix.contracts import text

Currency = Annotated[str, msgspec.Meta(pattern=text.CURRENCY, examples=["USD"])]
MAX_MINOR: Final = 10**12
MINOR_LIMIT: Final = 30
"""Maximum number of places before and after the point; a number beyond it is not an amount."""
AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=MAX_MINOR)]


class Money(msgspec.Struct, frozen=True, rename="camel"):
    """An amount in the currency's minor unit.

    In the API: `{"amountMinor": 129900, "currency": "USD"}`.
    """

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
"""Digits of the minor unit by ISO 4217, for currencies where there are not 2."""


def in_minor_units(amount: Decimal, currency: str) -> int | None:
    """Convert an amount to minor units: `12.5` of USD is 1250.

    None if it is not a whole number of minor units, is negative or exceeds MAX_MINOR.
    """
    if not amount.is_finite() or not -MINOR_LIMIT < amount.adjusted() < MINOR_LIMIT:
        return None
    units = amount.scaleb(MINOR_DIGITS.get(currency, 2))
    return int(units) if units == units.to_integral_value() and 0 <= units <= MAX_MINOR else None


def money_text(amount: Money) -> str:
    """Format an amount for people: `1,299.00 USD`."""
    digits = MINOR_DIGITS.get(amount.currency, 2)
    units, rest = divmod(amount.amount_minor, 10**digits)
    return f"{units:,}{f'.{rest:0{digits}}' if digits else ''} {amount.currency}"
