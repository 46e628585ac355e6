r"""Text that may come in: its forms, each with the words that explain it, and the characters no text may have.

A pattern ends with `\Z`: `$` also matches before a final newline. What is stored may be older than these rules: they
hold where input comes in, and nowhere else.
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
"""What callers read instead of the pattern."""

# C1 controls, line separators, and what turns the direction of other text; marks (U+200E, U+061C) and joiners may stay.
_UNWANTED: Final = r"\u007f-\u009f\u2028-\u202e\u2066-\u2069"
_IN_A_LINE: Final = rf"\u0000-\u001f{_UNWANTED}"
IN_A_LINE: Final = re.compile(f"[{_IN_A_LINE}]")
IN_LINES: Final = re.compile(rf"[\u0000-\u0008\u000b-\u001f{_UNWANTED}]")
SEGMENT: Final = rf"^[^/{_IN_A_LINE}]+\Z"
"""Of a path."""
_UNWANTED_BYTES: Final = rb"\x7f|\xc2[\x80-\x9f]|\xe2(?:\x80[\xa8-\xae]|\x81[\xa6-\xa9])"
_PERHAPS: Final = re.compile(rb"\\|" + _UNWANTED_BYTES)
IN_JSON: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\(?:u00|[bfr])|" + _UNWANTED_BYTES)
"""What IN_LINES finds, in a document that msgspec wrote: other characters are not escaped there."""
REFUSED: Final = "Control characters are not allowed, nor line separators or marks that turn the direction of text"

REFUSES: Final = "refuses"
LINES: Final = msgspec.Meta(extra={REFUSES: IN_LINES})
"""Of a text that may have several lines and tabs; any other has one line."""
KNOWN: Final = msgspec.Meta(extra={REFUSES: None})
"""Of a text that is compared with what is stored: a password of before these rules still lets its owner in."""


def is_line(text: str) -> bool:
    """Whether new text may be so."""
    return text.isprintable() or IN_A_LINE.search(text) is None


def may_be_refused(body: bytes) -> bool:
    """Whether a JSON body has anything in it that could make one of its texts refused; most have not."""
    return b"\\" in body or b"\x7f" in body or (not body.isascii() and _PERHAPS.search(body) is not None)
