"""Keyset pagination: an opaque cursor holds the sort keys of the last row seen, so a page costs the same everywhere."""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.params import Parameter

from valerix.chassis.base.problems import FieldError, Invalid

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
Limit = Annotated[int, Parameter(ge=1, le=MAX_LIMIT, description="rows per page")]
Cursor = Annotated[str | None, Parameter(max_length=500, description="nextCursor of the page before")]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """One page. `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*keys: Any) -> str:
    """An opaque cursor for the row with these sort keys."""
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[T]) -> T:
    """The keys inside a cursor, checked against `kind` (a tuple type). Raises Invalid for anything not made here."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if b"\\u0000" in text:
            raise ValueError("PostgreSQL has no such text")  # noqa: TRY301 - one answer for every fault
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        message = "Not a cursor of this list; start again without one"
        raise Invalid(message, [FieldError("/cursor", message)]) from None


def page(rows: list[T], limit: int, cursor_of: Callable[[T], str]) -> Page[T]:
    """A page from up to `limit + 1` rows; `cursor_of(row)` gives the cursor of the last row shown."""
    shown = rows[:limit]
    return Page(shown, cursor_of(shown[-1]) if len(rows) > limit else None)
