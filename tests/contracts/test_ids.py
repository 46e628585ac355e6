"""Ids that are derived: the same names in the same millisecond have the same id."""

from datetime import UTC, datetime, timedelta

import pytest
import uuid_utils

from valerix.contracts.ids import created_at, find_ids, id_of, is_id, short

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)


def test_the_same_names_have_the_same_id() -> None:
    assert id_of(NOON, "order-1:2", "email", "CUST-001") == id_of(
        NOON, "order-1:2", "email", "CUST-001"
    )


def test_whatever_differs_makes_another_id() -> None:
    ids = {
        id_of(NOON, "order-1:2", "email", "CUST-001"),
        id_of(NOON, "order-1:3", "email", "CUST-001"),
        id_of(NOON, "order-1:2", "sms", "CUST-001"),
        id_of(NOON, "order-1:2", "email", "CUST-002"),
        id_of(NOON, "order-1:2email", "CUST-001"),
        id_of(NOON + timedelta(milliseconds=1), "order-1:2", "email", "CUST-001"),
    }
    assert len(ids) == 6


def test_it_is_a_uuid_of_version_7_that_says_when() -> None:
    made = id_of(NOON, "order-1:2", "email", "CUST-001")
    assert is_id(made)
    assert uuid_utils.UUID(made).version == 7
    assert uuid_utils.UUID(made).variant == "specified in RFC 4122"
    assert created_at(made) == NOON
    assert made < id_of(NOON + timedelta(milliseconds=1), "order-1:2", "email", "CUST-001")


SHOWN = "01a1fdfc-5a0f-7cde-8f01-769c3417a559"


@pytest.mark.parametrize(
    "text",
    [
        *("a559", "17a559", "769c3417a559", "…769c3417a559", "...a559", "..a559", " 769C3417A559 "),
        *(
            "01a1",
            "01a1fdfc",
            "01a1fdfc…",
            "01a1fdfc-5a0f-7",
            "01a1fdfc…0f36"[:9] + "a559",
            "01a1fdfc...59",
            SHOWN,
        ),
        *(SHOWN.replace("-", ""), short(SHOWN)),
    ],
)
def test_an_id_is_meant_by_its_begin_its_end_and_the_forms_it_is_shown_in(text: str) -> None:
    assert find_ids(text).matches(SHOWN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "559",
        "…559",
        "1a1fdfc",
        "a558",
        "01a1fdfc…a558",
        "8f01769c3417a559",
        "…01a1",
        "CUST-001",
        "%a559",
        "a559…",
        "…",
    ],
)
def test_no_other_text_means_it(text: str) -> None:
    """13 digits and more are a beginning: there are no random digits in that place."""
    assert not find_ids(text).matches(SHOWN)


def test_a_short_form_is_found_and_has_digits_of_chance_alone() -> None:
    assert short(SHOWN) == "…769c3417a559"
