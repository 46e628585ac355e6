"""Decode a JSON body into a msgspec type; on failure name every bad field, not only the first."""

import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from valerix.chassis.base.problems import FieldError, Invalid

T = TypeVar("T")
MAX_ERRORS = 50


def decode(
    decoder: "msgspec.json.Decoder[T]", body: bytes, more: Callable[[Any], list[FieldError]] = lambda raw: []
) -> T:
    """The fast path is one C call; only a bad body pays for the search of all its faults.

    `more` finds what the type cannot say, and is asked only about bad bodies.
    Raises Invalid (400): malformed JSON, or a pointer for each bad field.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raw = parse(body)
        problem = invalid(decoder.type, raw, str(error))
        problem.extra["errors"] += more(raw)
        raise problem from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not JSON: {error}") from None


def parse(body: bytes) -> Any:
    """The bare value of a JSON body. A decoder that finds a wrong type may stop before it meets a syntax error.

    Raises Invalid.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The body is not JSON: {error}") from None


def convert(kind: type[T], raw: Any) -> T:
    """Like decode, for values that are already parsed (query strings: numbers may arrive as text)."""
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(kind, raw, str(error), strict=False) from None


def invalid(kind: Any, raw: Any, first: str, *, strict: bool = True) -> Invalid:
    """An Invalid with all field errors of `raw` against `kind`; `first` is used when none can be located."""
    errors = _errors(kind, raw, "", strict)[:MAX_ERRORS] or [FieldError("", first)]
    names = ", ".join(e.pointer.removeprefix("/") or "body" for e in errors[:5])
    return Invalid(f"Check {names}: {errors[0].message}", errors)


def _errors(kind: Any, raw: Any, at: str, strict: bool) -> list[FieldError]:
    try:
        msgspec.convert(raw, kind, strict=strict)
    except msgspec.ValidationError as error:
        inner = _inside(_bare(kind), raw, at, strict)
        return inner or [FieldError(at, str(error).split(" - at `")[0])]
    return []


def _inside(kind: Any, raw: Any, at: str, strict: bool) -> list[FieldError]:
    """Errors of the members of an object or a list; empty when the fault is in the value itself."""
    kind = _tagged(kind, raw)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(raw, Mapping):
        return _inside_object(kind, raw, at, strict)
    if typing.get_origin(kind) is list and isinstance(raw, list):
        (item,) = typing.get_args(kind)
        return [error for i, value in enumerate(raw) for error in _errors(item, value, f"{at}/{i}", strict)]
    return []


def _inside_object(kind: type[msgspec.Struct], raw: Mapping[str, Any], at: str, strict: bool) -> list[FieldError]:
    found: list[FieldError] = []
    fields = msgspec.structs.fields(kind)
    for field in fields:
        pointer = f"{at}/{field.encode_name}"
        if field.encode_name in raw:
            found += _errors(field.type, raw[field.encode_name], pointer, strict)
        elif field.required:
            found.append(FieldError(pointer, "This field is required"))
    if kind.__struct_config__.forbid_unknown_fields:
        known = {field.encode_name for field in fields} | {kind.__struct_config__.tag_field}
        found += [FieldError(f"{at}/{name}", "Unknown field") for name in raw if name not in known]
    return found


def _tagged(kind: Any, raw: Any) -> Any:
    """The member of a tagged union that `raw` says it is; `kind` itself when that is something else."""
    for member in typing.get_args(kind) if isinstance(raw, Mapping) else ():
        config = getattr(member, "__struct_config__", None)
        if config is not None and config.tag_field and raw.get(config.tag_field) == config.tag:
            return member
    return kind


def _bare(kind: Any) -> Any:
    """Strip Annotated and Optional, so the structure underneath shows."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        if len(members) == 1:
            return _bare(members[0])
    return kind
