"""Keyset pagination: an opaque cursor holds the sort keys of the last row shown.

So every page costs the same, however far down the list it is.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar, cast

import msgspec
from litestar.params import Parameter, QueryParameter

from valerix.chassis.base.problems import FieldError, Invalid
from valerix.contracts.ids import first_id_at

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
Limit = Annotated[
    int, Parameter(ge=1, le=MAX_LIMIT, description="Maximum number of items on the page")
]
Cursor = Annotated[
    str | None, Parameter(max_length=500, description="`nextCursor` of the previous page")
]

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), lt=2**63)]
"""The range of a PostgreSQL bigint."""
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_TIME: Final[dict[str, Any]] = {"format": "date-time"}
Since = Annotated[str | None, QueryParameter(name="from", max_length=50, schema_extra=_TIME)]
Until = Annotated[
    str | None,
    QueryParameter(name="to", max_length=50, schema_extra=_TIME, description="exclusive"),
]
"""Times as text. `parse_moment` parses them."""

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel"):
    """One page of a list. `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(*keys: Any) -> str:
    """Encodes the sort keys of a row as an opaque cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[T]) -> T:
    """The sort keys inside a cursor, checked against `kind` (a tuple type).

    Raises Invalid for every text that `encode_cursor` did not produce.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if b"\\u0000" in text:
            # Caught below, because every fault gets the same answer.
            raise ValueError("PostgreSQL stores no U+0000")  # noqa: TRY301
        keys = msgspec.json.decode(text, type=kind)
        for key in cast("tuple[object, ...]", keys):
            if isinstance(key, datetime):
                key.astimezone(UTC)  # as PostgreSQL's driver does, and there is no year 10000
    except (msgspec.MsgspecError, binascii.Error, ValueError, OverflowError, RecursionError):
        message = "Not a cursor of this list; start again without one"
        raise Invalid(message, [FieldError("/cursor", message)]) from None
    return keys


def parse_first_id(name: str, value: str | None) -> str | None:
    """The smallest id that can be generated at the time in query parameter `name`.

    Raises what `parse_moment` raises.
    """
    moment = parse_moment(name, value)
    return None if moment is None else first_id_at(moment)


def parse_moment(name: str, value: str | None) -> datetime | None:
    """The time in query parameter `name`, in UTC; None when the parameter is absent.

    Raises Invalid unless the value is RFC 3339 with an offset, in the years 1 to 9999 of UTC.
    """
    if value is None:
        return None
    try:
        return msgspec.convert(value, Moment).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        message = (
            "Expected a time in RFC 3339 with its offset, such as 2026-01-31T12:00:00Z;"
            " write + as %2B in a query"
        )
        raise Invalid.of(name, message) from None


def page(rows: list[T], limit: int, cursor_of: Callable[[T], str]) -> Page[T]:
    """Builds a page from up to `limit + 1` rows.

    `cursor_of(row)` gives the cursor of the last row shown.
    """
    shown = rows[:limit]
    return Page(shown, cursor_of(shown[-1]) if len(rows) > limit else None)
