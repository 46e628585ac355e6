"""Parts that the routes of inventory share."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from litestar.params import Parameter

from valerix.chassis.base import pagination
from valerix.chassis.base.pagination import Page
from valerix.chassis.description.openapi import in_path
from valerix.contracts import text
from valerix.inventory import domain

T = TypeVar("T")
UNKNOWN: Final = (domain.ProductNotFound,)
Search = Annotated[
    str | None,
    Parameter(min_length=1, max_length=100, description="Part of the product id or name."),
]
Sku = Annotated[str, in_path(text.SKU)]


def after(cursor: str | None) -> str:
    """Return the id that the page starts after."""
    return "" if cursor is None else pagination.decode_cursor(cursor, tuple[str])[0]


def page_by_id(rows: Sequence[T], limit: int, id_of: Callable[[T], str]) -> Page[T]:
    """Return the page of these rows, whose cursor is the id of the last one."""
    return pagination.page(list(rows), limit, lambda row: pagination.encode_cursor(id_of(row)))
