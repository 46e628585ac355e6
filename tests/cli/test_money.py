"""Amounts as the command line prints them."""

import pytest

from valerix.cli.output import money
from valerix.contracts.money import Money


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (129_900, "USD", "1,299.00 USD"),
        (5, "EUR", "0.05 EUR"),
        (1_500, "JPY", "1,500 JPY"),
        (1_234_567, "KWD", "1,234.567 KWD"),
    ],
)
def test_an_amount_shows_its_currency_and_as_many_digits_as_that_has(
    amount_minor: int, currency: str, text: str
) -> None:
    assert money(Money(amount_minor, currency)) == text


def test_an_amount_that_is_not_fixed_is_a_dash() -> None:
    assert money(None) == "-"
