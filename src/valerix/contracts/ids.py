"""Identifiers: UUIDv7 in canonical text, so they sort by creation time in every index."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import uuid_utils

from valerix.contracts import text as forms

_UUID = re.compile(forms.UUID)
_PART = re.compile(r"([0-9a-f-]{4,36})(?:(?:…|\.{2,3})([0-9a-f]{1,12}))?")


def new_id() -> str:
    """A fresh UUIDv7."""
    return str(uuid_utils.uuid7())


def id_of(moment: datetime, *names: str) -> str:
    """The UUIDv7 of that millisecond that belongs to these names: for the same ones it is always the same."""
    time, chance = f"{int(moment.timestamp() * 1000):012x}", hashlib.sha256("\n".join(names).encode()).hexdigest()
    # Version 7 and the variant of RFC 9562; the rest is chance.
    return f"{time[:8]}-{time[8:]}-7{chance[:3]}-{'89ab'[int(chance[3], 16) % 4]}{chance[4:7]}-{chance[7:19]}"


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in canonical lower-case form."""
    return _UUID.match(text) is not None


def created_at(identifier: str) -> datetime:
    """The millisecond in which a UUIDv7 was made."""
    milliseconds = int(identifier[:8] + identifier[9:13], 16)
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


def first_id_at(moment: datetime) -> str:
    """The smallest id of that millisecond: ids sort by time, so a range of time is a range of ids."""
    return str(uuid_utils.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80))


class IdRange(NamedTuple):
    """Where the ids lie that somebody may mean: between `first` and `last`, and like `pattern` (SQL). None: nowhere."""

    first: str | None
    last: str | None
    pattern: str | None


def find_range(text: str) -> IdRange:
    """Ids that begin with `text` (4 digits or more), or that it is the short form of: `01a1fdfc…0f36`."""
    match = _PART.fullmatch(text.strip().lower())
    digits = "" if match is None else match[1].replace("-", "")
    if match is None or not 4 <= len(digits) <= 32:
        return IdRange(None, None, None)
    first, last = (str(uuid_utils.UUID(hex=digits.ljust(32, filler))) for filler in "0f")
    return IdRange(first, last, f"%{match[2] or ''}")
