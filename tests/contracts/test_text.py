"""The forms of text, and the characters that no new text may contain."""

import re

import msgspec
import pytest

from valerix.contracts import text

ALL = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
DIRECTIONS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
CONTROLS = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))}
REFUSED = CONTROLS | DIRECTIONS | {"\u2028", "\u2029"}
EXAMPLES = {
    text.UUID: "01a1fdfc-0000-7000-8000-000000000000",
    text.CURRENCY: "USD",
    text.COUNTRY: "DE",
    text.SKU: "PROD-001",
    text.TRACE_ID: "0" * 32,
    text.PART_OF_TRACE_ID: "0af7",
    text.EMAIL: "ada@example.com",
    text.PORTS: "20000-29999",
}


def test_these_characters_and_no_others_are_refused() -> None:
    assert {one for one in ALL if text.IN_A_LINE.search(one)} == REFUSED
    assert {one for one in ALL if not text.is_line(one)} == REFUSED
    assert {one for one in ALL if text.IN_LINES.search(one)} == REFUSED - {"\n", "\t"}


def test_they_are_found_in_documents_too() -> None:
    documents = {one: msgspec.json.encode([f"x{one}y"]) for one in ALL}
    assert {
        one for one, document in documents.items() if text.IN_JSON.search(document)
    } == REFUSED - {"\n", "\t"}
    assert all(text.may_be_refused(documents[one]) for one in REFUSED)


@pytest.mark.parametrize("one", ["\\u0041", "\\\\r", "\\b", '"', "\\", "é", "\u200e", "\u2030"])
def test_an_escaped_backslash_is_no_escape(one: str) -> None:
    assert text.IN_JSON.search(msgspec.json.encode({one: [one]})) is None


@pytest.mark.parametrize(("pattern", "example"), EXAMPLES.items())
def test_a_form_does_not_end_before_a_line_break(pattern: str, example: str) -> None:
    assert re.search(pattern, example)
    assert not re.search(pattern, f"{example}\n")


def test_every_form_has_words() -> None:
    assert {text.PERSON, text.PATH, *EXAMPLES} == text.FORMS.keys()
