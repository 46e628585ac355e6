"""What all models have in common, and the page of a list."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of all answers. Fields that this version does not know are skipped: a newer server can
    be read.
    """


class Page(Model, Generic[T], frozen=True, kw_only=True, rename="camel"):
    """One page of a list. `next_cursor` is None on the last."""

    items: list[T]
    next_cursor: str | None = None
