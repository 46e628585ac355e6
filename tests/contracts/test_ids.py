"""Ids that are found again: the same names in the same millisecond have the same one."""

from datetime import UTC, datetime, timedelta

import uuid_utils

from valerix.contracts.ids import created_at, id_of, is_id

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)


def test_the_same_names_have_the_same_id() -> None:
    assert id_of(NOON, "order-1:2", "email", "CUST-001") == id_of(NOON, "order-1:2", "email", "CUST-001")


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
