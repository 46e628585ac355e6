"""Amounts in major units, as people write them."""

from decimal import Decimal

import pytest

from valerix.contracts.money import in_minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1299", "USD", 129_900),
        ("12.5", "USD", 1250),
        ("12.50", "USD", 1250),
        ("0.01", "EUR", 1),
        ("0", "EUR", 0),
        ("1300", "JPY", 1300),
        ("1.234", "KWD", 1234),
        ("1e3", "USD", 100_000),
        ("10000000000", "USD", 10**12),
    ],
)
def test_an_amount_is_so_many_minor_units(amount: str, currency: str, minor: int) -> None:
    assert in_minor_units(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        *(
            ("0.001", "USD"),
            ("1.5", "JPY"),
            ("-1", "USD"),
            ("10000000000.01", "USD"),
            ("NaN", "USD"),
            ("sNaN", "USD"),
        ),
        *(
            ("Infinity", "USD"),
            ("-Infinity", "USD"),
            ("1e999999", "USD"),
            ("1e-999999", "USD"),
            ("-0.001", "USD"),
        ),
    ],
)
def test_what_is_no_amount_is_none(amount: str, currency: str) -> None:
    assert in_minor_units(Decimal(amount), currency) is None
