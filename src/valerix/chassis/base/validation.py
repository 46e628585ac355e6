"""Decodes a JSON body into a msgspec type.

A failure names all bad fields, not only the first, in JSON's terms.
"""

import enum
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from valerix.chassis.base.problems import FieldError, Invalid
from valerix.contracts import text

T = TypeVar("T")
MAX_ERRORS: Final = 20
MAX_LOOKS: Final = 250
"""Maximum number of values of a bad body that are examined, each by itself.

The values behind them are not searched.
"""
MAX_SHOWN: Final = 100
"""Maximum number of characters of a name in a pointer."""
MISSING: Final = "This field is required"
TOO_DEEP: Final = "The body is nested too deeply"
TERMS: Final = {
    "array": "an array",
    "bool": "true or false",
    "bytes": "a string in Base64",
    "datetime": "a time in RFC 3339 with its offset, such as 2026-01-31T12:00:00Z",
    "decimal": "a number",
    "float": "a number",
    "int": "an integer",
    "null": "null",
    "object": "an object",
    "str": "a string",
    "uuid": "a UUID",
}
_TYPES: Final = re.compile(r"`([a-z0-9]+(?: \| [a-z0-9]+)*)`")
_BOUNDS: Final = (
    (re.compile(r"a string of length >= (\d+)"), r"a string of at least \1 characters"),
    (re.compile(r"a string of length <= (\d+)"), r"a string of at most \1 characters"),
    (re.compile(r" of length >= (\d+)"), r" of at least \1"),
    (re.compile(r" of length <= (\d+)"), r" of at most \1"),
    (re.compile(r" >= (\S+)"), r" of at least \1"),
    (re.compile(r" <= (\S+)"), r" of at most \1"),
    (re.compile(r" > (\S+)"), r" greater than \1"),
    (re.compile(r" < (\S+)"), r" less than \1"),
)


def decode(
    decoder: "msgspec.json.Decoder[T]",
    body: bytes,
    more: Callable[[Any], list[FieldError]] = lambda raw: [],
) -> T:
    """Decodes `body`. Only a bad body pays for the search for its faults.

    The fast path is one C call. `more` finds faults that the type cannot express. It is called for
    bad bodies only.

    Raises Invalid (400): malformed JSON, or a pointer for each of the first MAX_ERRORS bad fields.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raw = parse(body)
        problem = invalid(decoder.type, raw, str(error))
        known = {e.pointer for e in problem.extra["errors"]}
        found = [e for e in more(raw) if e.pointer not in known]
        problem.extra["errors"] = [*problem.extra["errors"], *found][:MAX_ERRORS]
        raise problem from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def parse(body: bytes) -> Any:
    """The value of a JSON body, without a type. Raises Invalid.

    Needed because a decoder that finds a wrong type may stop before it reaches a syntax error.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> Invalid:
    if isinstance(error, RecursionError):
        return Invalid(TOO_DEEP)
    if isinstance(error, msgspec.ValidationError):  # an untyped value has only this one
        return Invalid("A number in the body is out of range")
    return Invalid(f"The body is not JSON: {error}")


def convert(kind: type[T], raw: Any) -> T:
    """Like `decode`, for values that are already parsed.

    In query strings, numbers may arrive as text.
    """
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(kind, raw, str(error), strict=False) from None


def invalid(kind: Any, raw: Any, first: str, *, strict: bool = True) -> Invalid:
    """An Invalid with the field errors of `raw` against `kind`.

    `first` is the message when no error can be located.
    """
    found = list(islice(_Search(strict).look(kind, raw, ""), MAX_ERRORS))
    return _check(found or [FieldError("", reason(first, kind))])


def refused_text(kind: Any, body: bytes) -> Invalid | None:
    """Finds forbidden characters in the texts of a body that is otherwise a valid `kind`.

    Returns None when there are none (see contracts.text). Separate from `decode`, because stored
    data may contain such text already, and services send it to one another.
    """
    if not text.may_be_refused(body):
        return None
    found = list(islice(_refused(kind, parse(body), ""), MAX_ERRORS))
    return _check(found) if found else None


def check_one_of(name: str, value: str | None, allowed: Collection[str]) -> None:
    """Raises Invalid for a value outside a closed set; None means absent."""
    if value is not None and value not in allowed:
        raise Invalid.of(name, f"Expected one of: {', '.join(allowed)}")


def reason(message: str, kind: Any) -> str:
    """Translates msgspec's message about a value that is no `kind` into JSON's terms."""
    said = message.split(" - at `$", maxsplit=1)[0]
    if said.startswith("Expected `str` matching regex"):
        return f"Expected {text.FORMS.get(_pattern(kind), 'a string of another form')}"
    if said.startswith("Invalid enum value"):
        return f"Expected one of: {', '.join(_choices(_bare(kind)))}"
    if "RFC3339" in said or "with a timezone" in said:
        return f"Expected {TERMS['datetime']}"
    if said.startswith("Invalid UUID"):
        return "Expected a UUID"
    if said.startswith("Invalid decimal"):
        return "Expected a number"
    for bound, words in ((_TYPES, _in_terms), *_BOUNDS):
        said = bound.sub(words, said)
    return said.replace(", got ", ", not ")


def _in_terms(found: "re.Match[str]") -> str:
    return " or ".join(TERMS.get(name, name) for name in found[1].split(" | "))


def _check(errors: list[FieldError]) -> Invalid:
    names = ", ".join(e.pointer.removeprefix("/") or "body" for e in errors[:5])
    return Invalid(f"Check {names}: {errors[0].message}", errors)


class _Search:
    """Searches one value for faults.

    At most MAX_LOOKS values are examined, so the rest of a long list costs nothing.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict
        self._looks = 0

    def look(self, kind: Any, raw: Any, at: str) -> Iterator[FieldError]:
        self._looks += 1
        try:
            msgspec.convert(raw, kind, strict=self._strict)
        except msgspec.ValidationError as error:
            bare = _tagged(_bare(kind), raw)
            inside = self._inside(kind, bare, raw, at)
            first = next(inside, None)
            if first is None:
                yield _located(error, bare, kind, at)
            else:
                yield first
                yield from inside

    def _inside(self, kind: Any, bare: Any, raw: Any, at: str) -> Iterator[FieldError]:
        """Errors of the members of an object or a list; empty when the value itself is wrong."""
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and isinstance(raw, Mapping):
            yield from self._inside_object(bare, raw, at)
        elif (
            typing.get_origin(bare) is list
            and isinstance(raw, list)
            and len(raw) <= _max_length(kind)
        ):
            (item,) = typing.get_args(bare)
            for i, value in enumerate(raw):
                if self._looks >= MAX_LOOKS:
                    return
                yield from self.look(item, value, f"{at}/{i}")

    def _inside_object(
        self, kind: type[msgspec.Struct], raw: Mapping[str, Any], at: str
    ) -> Iterator[FieldError]:
        fields = msgspec.structs.fields(kind)
        for field in fields:
            pointer = f"{at}/{field.encode_name}"
            if field.encode_name in raw:
                yield from self.look(field.type, raw[field.encode_name], pointer)
            elif field.required:
                yield FieldError(pointer, MISSING)
        if kind.__struct_config__.forbid_unknown_fields:
            known = {field.encode_name for field in fields} | {kind.__struct_config__.tag_field}
            yield from (
                FieldError(f"{at}/{_escaped(name)}", "Unknown field")
                for name in raw
                if name not in known
            )


def _refused(kind: Any, raw: Any, at: str) -> Iterator[FieldError]:
    bare = _tagged(_bare(kind), raw)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct) and isinstance(raw, Mapping):
        for field in msgspec.structs.fields(bare):
            if field.encode_name in raw:
                yield from _refused(field.type, raw[field.encode_name], f"{at}/{field.encode_name}")
    elif typing.get_origin(bare) is list and isinstance(raw, list):
        for i, value in enumerate(raw):
            yield from _refused(typing.get_args(bare)[0], value, f"{at}/{i}")
    else:
        said = (
            meta.extra[text.REFUSES]
            for meta in _metas(kind)
            if meta.extra and text.REFUSES in meta.extra
        )
        rule = next(said, text.IN_A_LINE)
        if rule is None:
            return
        if (
            rule.search(raw)
            if isinstance(raw, str)
            else text.IN_JSON.search(msgspec.json.encode(raw))
        ):
            yield FieldError(at, text.REFUSED)


def _located(error: msgspec.ValidationError, bare: Any, kind: Any, at: str) -> FieldError:
    """The field error of one fault.

    A missing or unknown tag of a tagged object is reported at the tag.
    """
    tags = {
        str(member.__struct_config__.tag): member.__struct_config__.tag_field
        for member in _tagged_members(bare)
    }
    name = next(iter(tags.values()), None)
    if name and str(error).startswith("Object missing required field"):
        return FieldError(f"{at}/{name}", MISSING)
    if name and str(error).startswith("Invalid value"):
        return FieldError(f"{at}/{name}", f"Expected one of: {', '.join(tags)}")
    return FieldError(at, reason(str(error), kind))


def _tagged_members(kind: Any) -> list[Any]:
    members = (arg for arg in typing.get_args(kind) if hasattr(arg, "__struct_config__"))
    return [member for member in members if member.__struct_config__.tag_field]


def _tagged(kind: Any, raw: Any) -> Any:
    """The member of a tagged union that the tag in `raw` names; otherwise `kind` itself."""
    for member in _tagged_members(kind) if isinstance(raw, Mapping) else ():
        if raw.get(member.__struct_config__.tag_field) == member.__struct_config__.tag:
            return member
    return kind


def _bare(kind: Any) -> Any:
    """Strips Annotated and Optional, so that the structure underneath shows."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [
            arg for arg in typing.get_args(kind) if arg not in (type(None), msgspec.UnsetType)
        ]
        if len(members) == 1:
            return _bare(members[0])
    return kind


def _metas(kind: Any) -> Iterator[msgspec.Meta]:
    """The annotations of a value: its own, or those of the members of a union."""
    if typing.get_origin(kind) is typing.Annotated:
        yield from (meta for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta))
        yield from _metas(kind.__origin__)
    elif typing.get_origin(kind) in (typing.Union, types.UnionType):
        for member in typing.get_args(kind):
            yield from _metas(member)


def _max_length(kind: Any) -> float:
    return next(
        (meta.max_length for meta in _metas(kind) if meta.max_length is not None), float("inf")
    )


def _pattern(kind: Any) -> str:
    return next((meta.pattern for meta in _metas(kind) if meta.pattern is not None), "")


def _choices(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [str(member.value) for member in kind]
    return [str(value) for value in typing.get_args(kind)]


def _escaped(name: str) -> str:
    """The name in RFC 6901 notation, cut to MAX_SHOWN characters."""
    return name[:MAX_SHOWN].replace("~", "~0").replace("/", "~1")
