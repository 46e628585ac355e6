"""The rules of users, without a database."""

import pytest

from valerix.users import domain


@pytest.mark.parametrize(
    ("sequence", "number"), [(1, "CUST-001"), (999, "CUST-999"), (1000, "CUST-1000")]
)
def test_customer_numbers_have_three_digits_at_least(sequence: int, number: str) -> None:
    assert domain.customer_number(sequence) == number


def test_addresses_are_compared_without_case_and_names_without_stray_blanks() -> None:
    assert domain.normal_email("Ada@Example.COM\n") == "ada@example.com"
    assert domain.normal_name("Ada  Lovelace ") == "Ada Lovelace"


@pytest.mark.parametrize(
    ("status", "reason"), [(None, "unknown"), ("suspended", "suspended"), ("active", None)]
)
def test_only_an_active_customer_may_order(status: str | None, reason: str | None) -> None:
    assert domain.standing(status) == reason


def test_events_of_customers_carry_their_public_name_and_those_of_staff_do_not() -> None:
    assert domain.event_type("CUST-001", "registered") == "customer.registered"
    assert domain.event_type(None, "updated") == "user.updated"
