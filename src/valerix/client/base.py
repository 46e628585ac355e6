"""The base of all models, and the page of a list."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all answers. Unknown fields are skipped: answers of newer servers can be read."""


class Page(Model, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """One page of a list. `next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None = None
