"""Maps objects to the columns of a statement, and its rows to objects.

Each column is written once and is addressed by its name.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from inspect import signature
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeVar, get_type_hints

from asyncpg import Record

T = TypeVar("T")


class Rows(Generic[T]):
    """Objects of one kind as arrays: two or more columns.

    `columns` are fields and their types, `order_id text, version integer`. `payment.version
    integer` is the column `version` from the field `payment`. Raises AttributeError when there is
    no such field. The statement sees the columns under `alias`, and takes the arrays as parameters
    from number `first` on.
    """

    def __init__(self, kind: type[T], columns: str, alias: str = "t", first: int = 1) -> None:
        paths, types = zip(*map(str.split, columns.split(",")), strict=True)
        if len(paths) < 2:
            raise ValueError(
                f"{columns!r} is one column: pass its array"
            )  # attrgetter gives no tuple
        for path in paths:
            _check_field(kind, path)
        arrays = ", ".join(f"${number}::{name}[]" for number, name in enumerate(types, first))
        self.names = ", ".join(path.rpartition(".")[2] for path in paths)
        self.unnest = f"unnest({arrays}) AS {alias}({self.names})"
        self._values = attrgetter(*paths)
        self._nothing: list[tuple[Any, ...]] = [()] * len(paths)

    def arrays(self, objects: Iterable[T]) -> list[tuple[Any, ...]]:
        """The parameters: one array per column."""
        return list(zip(*map(self._values, objects), strict=True)) or self._nothing


def _check_field(kind: type, path: str) -> None:
    for name in path.split("."):
        fields = get_type_hints(kind)
        if name not in fields:
            raise AttributeError(f"{kind.__name__} has no field {name}")
        kind = fields[name]


class Reader(Generic[T]):
    """Rows as objects of one kind. Its fields name the columns; a row may have more columns.

    A field that is an enum gets its member. `converters` turn other values into what their fields
    hold: `id=str` for a uuid. Raises AttributeError when there is no such field; `read` raises
    KeyError when there is no such column.
    """

    def __init__(
        self, kind: type[T], alias: str = "", /, **converters: Callable[[Any], object]
    ) -> None:
        names, types = [*signature(kind).parameters], get_type_hints(kind)
        for name in converters:
            _check_field(kind, name)
        enums = {
            name: types[name]
            for name in names
            if isinstance(types[name], type) and issubclass(types[name], Enum)
        }
        self.columns = ", ".join(f"{alias}.{name}" if alias else name for name in names)
        self._kind = kind
        self._values = itemgetter(*names)
        self._converters = [
            (names.index(name), convert) for name, convert in {**enums, **converters}.items()
        ]

    def read(self, row: Record) -> T:
        """The object of a row. NULL stays None."""
        values = self._values(row)
        return self._kind(*(self._converted(values) if self._converters else values))

    def _converted(self, values: Iterable[Any]) -> list[Any]:
        converted = list(values)
        for place, convert in self._converters:
            if converted[place] is not None:
                converted[place] = convert(converted[place])
        return converted
