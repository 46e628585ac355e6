"""Columns of statements: the place of each value, and the names that are refused."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from valerix.chassis.postgres.rows import Reader, Rows

ID = "019c0000-0000-7000-8000-000000000000"


class Colour(StrEnum):
    RED = "red"


class Thing(NamedTuple):
    id: str
    size: int | None
    weight: int
    colour: Colour


@dataclass(frozen=True)
class Sale:
    thing: Thing
    price: int


THINGS = [Thing("a", 1, 2, Colour.RED), Thing("b", None, 3, Colour.RED)]


def test_columns_are_named_and_numbered_in_their_order() -> None:
    rows = Rows(Sale, "thing.id uuid, price bigint", "s", 4)
    assert rows.unnest == "unnest($4::uuid[], $5::bigint[]) AS s(id, price)"
    assert rows.names == "id, price"


def test_each_array_holds_the_values_of_its_column() -> None:
    assert Rows(Thing, "weight integer, id text, size integer").arrays(THINGS) == [
        (2, 3),
        ("a", "b"),
        (1, None),
    ]
    sales = [Sale(thing, price) for thing, price in zip(THINGS, (7, 8), strict=True)]
    assert Rows(Sale, "price integer, thing.weight integer").arrays(sales) == [(7, 8), (2, 3)]


def test_no_objects_are_empty_arrays() -> None:
    assert Rows(Thing, "id text, size integer").arrays([]) == [(), ()]


@pytest.mark.parametrize("columns", ["id text, length integer", "id text, thing.size integer"])
def test_a_field_that_does_not_exist_is_refused(columns: str) -> None:
    with pytest.raises(AttributeError, match="Thing has no field"):
        Rows(Thing, columns)


def test_a_field_that_does_not_exist_in_a_field_is_refused() -> None:
    with pytest.raises(AttributeError, match="Thing has no field price"):
        Rows(Sale, "price integer, thing.price integer")


@pytest.mark.parametrize(
    "columns", ["id text", "id, size integer", "id text, size double precision"]
)
def test_what_is_no_list_of_fields_and_types_is_refused(columns: str) -> None:
    with pytest.raises(ValueError, match=r"one column|shorter|longer"):
        Rows(Thing, columns)


def test_a_row_is_read_by_the_names_of_its_columns() -> None:
    reader = Reader(Thing, "t", id=str)
    assert reader.columns == "t.id, t.size, t.weight, t.colour"
    row: Any = {"colour": "red", "weight": 2, "size": 1, "id": UUID(ID), "more": 3}
    thing = reader.read(row)
    assert thing.colour is Colour.RED
    assert thing == (ID, 1, 2, "red")


def test_null_is_none_whatever_it_would_become() -> None:
    row: Any = {"id": "a", "size": None, "weight": 2, "colour": "red"}
    assert Reader(Thing, size=str).read(row) == ("a", None, 2, "red")


def test_a_column_that_is_not_there_is_an_error() -> None:
    row: Any = {"id": "a", "size": 1, "colour": "red"}
    with pytest.raises(KeyError, match="weight"):
        Reader(Thing).read(row)


def test_a_converter_of_no_field_is_refused() -> None:
    with pytest.raises(AttributeError, match="Thing has no field length"):
        Reader(Thing, length=str)
