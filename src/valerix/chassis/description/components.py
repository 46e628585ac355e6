"""The schemas of an OpenAPI document: bodies as msgspec reads and writes them.

Their fields are described by the docstrings in the source.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from valerix.chassis.description.references import PREFIX, map_strings

T = TypeVar("T")
_GENERIC: Final = re.compile(r"(\w+?)_(?:\w+\.)*(\w+?)_\Z")
"""A generic struct and its argument, such as `Page_OrderView_`.

msgspec names it like this, and so does Litestar, with the module.
"""


def schemas(annotations: Iterable[Any]) -> dict[str, Any]:
    """The schemas of all structs and enums in `annotations`, by component name."""
    structs = [each for annotation in annotations for each in _structs(annotation)]
    _, found = msgspec.json.schema_components(structs, ref_template=PREFIX + "{name}")
    classes = {
        each.__name__: each for each in _classes(msgspec.inspect.multi_type_info(structs), set())
    }
    for name, schema in found.items():
        _describe(schema, classes.get(name.partition("_")[0]))
    named: dict[str, Any] = named_alike(
        {component_name(name): _typed(schema) for name, schema in found.items()}
    )
    for name, schema in named.items():
        schema["title"] = name
    return named


def component_name(name: str) -> str:
    """The class name in generated clients: `OrderViewPage` for `Page_OrderView_`."""
    generic = _GENERIC.match(name)
    return f"{generic[2]}{generic[1]}" if generic else name


def named_alike(document: Any) -> Any:
    """A copy in which every reference to a schema uses its component name."""
    return map_strings(document, _renamed_reference)


def without_default(schema: dict[str, Any]) -> None:
    """Moves a default into the description: generators that find a default require the field."""
    default = schema.pop("default", None)
    if default not in (None, {}, []):
        spelled = msgspec.json.encode(default).decode()
        schema["description"] = f"{schema.get('description', '')} Default: {spelled}.".strip()


def _renamed_reference(text: str) -> str:
    return PREFIX + component_name(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else text


def _structs(annotation: Any) -> Iterator[Any]:
    """The structs in an annotation, such as `Response[OrderView]` or `RefreshBody | None`."""
    cls = get_origin(annotation) or annotation
    if isinstance(cls, type) and issubclass(cls, msgspec.Struct):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _structs(argument)


def _classes(known: Any, seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    """The structs within these types.

    Not every loaded struct: other code has classes of the same name.
    """
    if isinstance(known, (list, tuple)):
        for each in known:
            yield from _classes(each, seen)
    elif isinstance(known, (msgspec.inspect.Type, msgspec.inspect.Field)):
        if isinstance(known, msgspec.inspect.StructType):
            if known.cls in seen:
                return
            seen.add(known.cls)
            yield get_origin(known.cls) or known.cls
        for name in known.__struct_fields__:
            yield from _classes(getattr(known, name), seen)


def subclasses(cls: type[T]) -> Iterator[type[T]]:
    """All loaded subclasses of a class, at any depth."""
    for each in cls.__subclasses__():
        yield each
        yield from subclasses(each)


def _describe(schema: dict[str, Any], cls: type[msgspec.Struct] | None) -> None:
    """Adds the docstring of each field to the schema."""
    if cls is None:
        return
    words = _field_docstrings(cls)
    for field in msgspec.structs.fields(cls):
        described = schema["properties"][field.encode_name]
        if text := words.get(field.name):
            described.setdefault("description", text)
        further = _further(field.type)
        for one in (described, *described.get("anyOf", ())):
            if one.get("type") in ("string", "object"):
                one.update(further)
                if "$ref" in further:
                    del one["type"]
        without_default(described)


def _further(annotation: Any) -> dict[str, Any]:
    """Members that msgspec omits for a string or an object.

    These are the format of a time, and the entry `openapi` of an annotation.
    """
    for each in (annotation, *get_args(annotation)):
        if each is datetime:
            return {"format": "date-time"}
        for meta in getattr(each, "__metadata__", ()):
            if isinstance(meta, msgspec.Meta) and meta.extra and "openapi" in meta.extra:
                return dict(meta.extra["openapi"])
    return {}


def _typed(schema: Any) -> Any:
    """A copy in which every enumeration of strings has its type, which generators look at first."""
    if isinstance(schema, list):
        return [_typed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    typed = {name: _typed(inner) for name, inner in schema.items()}
    values = typed.get("enum")
    untyped = (
        isinstance(values, list)
        and "type" not in typed
        and all(isinstance(value, str) for value in values)
    )
    return {"type": "string", **typed} if untyped else typed


def _field_docstrings(cls: type) -> dict[str, str]:
    """The string below each field, by field name; a subclass inherits the strings of its bases."""
    modules = [(each.__module__, each.__name__) for each in reversed(cls.__mro__)]
    found = [
        _docstrings_of(module).get(name, {})
        for module, name in modules
        if module.startswith("valerix.")
    ]
    return {field: text for own in found for field, text in own.items()}


@cache
def _docstrings_of(module: str) -> dict[str, dict[str, str]]:
    """The field docstrings of each class of a module. The source is read once."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        each.name: dict(_strings_below(each.body))
        for each in tree.body
        if isinstance(each, ast.ClassDef)
    }


def _strings_below(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                yield name, " ".join(text.split())
