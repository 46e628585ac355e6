"""The Idempotency-Key header, and the identity of a request."""

import pytest

from valerix.chassis.base.idempotency import fingerprint, lookup_key, parse_key
from valerix.chassis.base.problems import Invalid


@pytest.mark.parametrize(
    ("raw", "key"), [("abc", "abc"), ('"abc"', "abc"), (" abc ", "abc"), (None, None), ('"', '"')]
)
def test_a_key_comes_bare_or_quoted(raw: str | None, key: str | None) -> None:
    assert parse_key(raw) == key


@pytest.mark.parametrize("raw", ["", '""', "   ", "x" * 256, "a\x07b"])
def test_a_key_has_1_to_255_printable_characters(raw: str) -> None:
    with pytest.raises(Invalid):
        parse_key(raw)


def test_255_characters_are_fine() -> None:
    assert parse_key("x" * 255) == "x" * 255


def test_callers_methods_and_routes_do_not_share_keys() -> None:
    keys = {
        lookup_key("u1", "POST", "/orders", "k"),
        lookup_key("u2", "POST", "/orders", "k"),
        lookup_key("u1", "PUT", "/orders", "k"),
        lookup_key("u1", "POST", "/refunds", "k"),
        lookup_key("u1", "POST", "/orders", "l"),
    }
    assert len(keys) == 5


def test_the_fingerprint_is_of_the_meaning_not_of_the_spelling() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
