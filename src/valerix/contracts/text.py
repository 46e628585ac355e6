r"""Rules for input text.

They are its forms, each with an explanation, and the characters that no text may contain. A pattern
ends with `\Z`: `$` also matches before a final newline. Stored text may be older than these rules:
they apply to input, and to nothing else.
"""

import re
from typing import Final

import msgspec

UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
CURRENCY: Final = r"^[A-Z]{3}\Z"
COUNTRY: Final = r"^[A-Z]{2}\Z"
SKU: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,49}\Z"
TRACE_ID: Final = r"^[0-9a-f]{32}\Z"
PART_OF_TRACE_ID: Final = r"^[0-9a-f]{0,32}\Z"
# The HTML standard's form, with at least one dot in the domain.
EMAIL: Final = r"^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z"
PERSON: Final = r"^[^ ]"
PATH: Final = r"^/"
PORTS: Final = r"^[0-9]{1,5}-[0-9]{1,5}\Z"

FORMS: Final = {
    UUID: "a UUID in lower case",
    CURRENCY: "three capital letters, such as USD",
    COUNTRY: "two capital letters, such as DE",
    SKU: "1 to 50 letters, digits, dots, dashes and underscores, the first a letter or digit",
    TRACE_ID: "32 hexadecimal digits in lower case",
    PART_OF_TRACE_ID: "up to 32 hexadecimal digits in lower case",
    EMAIL: "an e-mail address, such as name@example.com",
    PERSON: "a name that does not begin with a space",
    PATH: "a path that begins with /",
    PORTS: "two port numbers, such as 20000-29999",
}
"""The explanation that callers read instead of the pattern."""

# DEL and C1 controls, line separators, and characters that change the direction of other text.
# Marks (U+200E, U+061C) and joiners are allowed.
_UNWANTED: Final = r"\u007f-\u009f\u2028-\u202e\u2066-\u2069"
_IN_A_LINE: Final = rf"\u0000-\u001f{_UNWANTED}"
IN_A_LINE: Final = re.compile(f"[{_IN_A_LINE}]")
IN_LINES: Final = re.compile(rf"[\u0000-\u0008\u000b-\u001f{_UNWANTED}]")
SEGMENT: Final = rf"^[^/{_IN_A_LINE}]+\Z"
"""One segment of a path."""
_UNWANTED_BYTES: Final = rb"\x7f|\xc2[\x80-\x9f]|\xe2(?:\x80[\xa8-\xae]|\x81[\xa6-\xa9])"
_PERHAPS: Final = re.compile(rb"\\|" + _UNWANTED_BYTES)
IN_JSON: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\(?:u00|[bfr])|" + _UNWANTED_BYTES)
"""Finds the characters of IN_LINES in a document that msgspec wrote.

Of these characters, msgspec escapes only those below U+0020.
"""
REFUSED: Final = (
    "Control characters are not allowed, "
    "nor line separators or marks that change the direction of text"
)

REFUSES: Final = "refuses"
LINES: Final = msgspec.Meta(extra={REFUSES: IN_LINES})
"""Marks a text that may contain several lines and tabs; any other text has one line."""
KNOWN: Final = msgspec.Meta(extra={REFUSES: None})
"""Marks a text that is compared with a stored one.

A password that is older than these rules still works for its owner.
"""


def is_line(text: str) -> bool:
    """Return whether new text of one line may contain these characters."""
    return text.isprintable() or IN_A_LINE.search(text) is None


def may_be_refused(body: bytes) -> bool:
    """Return whether a JSON body may contain a text that has to be refused; most bodies do not."""
    return (
        b"\\" in body
        or b"\x7f" in body
        or (not body.isascii() and _PERHAPS.search(body) is not None)
    )
