"""Identifiers: UUIDv7 in canonical text form, so that they sort by creation time in every index."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import uuid_utils

from valerix.contracts import text as forms

_UUID = re.compile(forms.UUID)
_ELLIPSIS = r"(?:…|\.{2,3})"
_BEGIN = re.compile(rf"([0-9a-f-]{{4,36}})(?:{_ELLIPSIS}([0-9a-f]{{0,12}}))?")
_END = re.compile(rf"{_ELLIPSIS}?([0-9a-f]{{4,12}})")


def new_id() -> str:
    """Return a new UUIDv7."""
    return str(uuid_utils.uuid7())


def id_of(moment: datetime, *names: str) -> str:
    """Derive the UUIDv7 of a millisecond from these names; the same names give the same id."""
    time, chance = (
        f"{int(moment.timestamp() * 1000):012x}",
        hashlib.sha256("\n".join(names).encode()).hexdigest(),
    )
    # Version 7 and the variant of RFC 9562; the rest are digits of the hash.
    variant = "89ab"[int(chance[3], 16) % 4]
    return f"{time[:8]}-{time[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


def is_id(text: str) -> bool:
    """Return whether `text` is a UUID in canonical lower-case form."""
    return _UUID.match(text) is not None


def created_at(identifier: str) -> datetime:
    """Return the millisecond in which a UUIDv7 was created, as aware UTC."""
    milliseconds = int(identifier[:8] + identifier[9:13], 16)
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(
        milliseconds=milliseconds % 1000
    )


def first_id_at(moment: datetime) -> str:
    """Return the smallest id of that millisecond.

    Ids sort by time, so a range of time is a range of ids.
    """
    return str(uuid_utils.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80))


def short(identifier: str) -> str:
    """Shorten an id for people: `…769c3417a559`.

    The last digits are random; the first ones are common to all ids of the same minute.
    """
    return f"…{identifier[-12:]}"


class IdBegin(NamedTuple):
    """Ids between `first` and `last` that match `pattern` (SQL LIKE)."""

    first: str
    last: str
    pattern: str


class IdEnd(NamedTuple):
    """Ids with these last two bytes that match `pattern` (SQL LIKE).

    Indexes contain the last two bytes (end_sql).
    """

    last: bytes
    pattern: str


class IdSearch(NamedTuple):
    """The ids that a text may refer to, by beginning and by end; None: not in this way."""

    begin: IdBegin | None
    end: IdEnd | None

    def matches(self, identifier: str) -> bool:
        """Return whether `identifier` is one of these ids."""
        begin, end = self.begin, self.end
        ends = end is not None and identifier.endswith(end.pattern[1:])
        return ends or (
            begin is not None
            and begin.first <= identifier <= begin.last
            and identifier.endswith(begin.pattern[1:])
        )


def find_ids(text: str) -> IdSearch:
    """Find ids by their beginning (4 digits or more), their end (4 to 12) or a short form.

    Short forms: `769c3417a559`, `…769c3417a559`, `01a1fdfc…`, `01a1fdfc…0f36`; two or three dots
    count as an ellipsis, too.
    """
    digits = text.strip().lower()
    return IdSearch(_find_begin(digits), _find_end(digits))


def end_sql(column: str) -> str:
    """Return SQL for the last two bytes of an id, word for word as in the indexes (ADR 32)."""
    return f"substring(uuid_send({column}) FROM 15)"


def _find_begin(text: str) -> IdBegin | None:
    match = _BEGIN.fullmatch(text)
    digits = "" if match is None else match[1].replace("-", "")
    if match is None or not 4 <= len(digits) <= 32:
        return None
    first, last = (str(uuid_utils.UUID(hex=digits.ljust(32, filler))) for filler in "0f")
    return IdBegin(first, last, f"%{match[2] or ''}")


def _find_end(text: str) -> IdEnd | None:
    match = _END.fullmatch(text)
    return None if match is None else IdEnd(bytes.fromhex(match[1][-4:]), f"%{match[1]}")
