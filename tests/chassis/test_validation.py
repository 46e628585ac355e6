"""Bad bodies: the search finds every fault, and no body crashes it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valerix.chassis.base.problems import Invalid
from valerix.chassis.base.validation import MAX_ERRORS, MAX_LOOKS, convert, decode
from valerix.contracts import text


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    n: Annotated[int, msgspec.Meta(ge=1)]


class Outer(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    some_name: str
    inner: Inner
    many: list[Inner] | None = None


DECODER = msgspec.json.Decoder(Outer)


def pointers(body: object) -> list[str]:
    with pytest.raises(Invalid) as caught:
        decode(DECODER, msgspec.json.encode(body))
    return [error.pointer for error in caught.value.extra["errors"]]


def test_all_faults_are_found_where_they_are() -> None:
    body = {"someName": 1, "inner": {"n": 0, "x": 1}, "many": [{"n": 1}, {"n": "1"}, 7, {}]}
    assert pointers(body) == [
        "/someName",
        "/inner/n",
        "/inner/x",
        "/many/1/n",
        "/many/2",
        "/many/3/n",
    ]


def test_missing_and_unknown_fields_are_named() -> None:
    assert pointers({"some_name": "x"}) == ["/someName", "/inner", "/some_name"]


@pytest.mark.parametrize(
    "body", [b"[1,2", b'{"someName": 1', b'{"someName": 1, "inner": {]', b'{"a": 1}}', b""]
)
def test_a_wrong_type_before_a_syntax_error_is_still_an_invalid_body(body: bytes) -> None:
    with pytest.raises(Invalid, match="not JSON"):
        decode(DECODER, body)


def test_query_values_come_as_text() -> None:
    assert convert(Inner, {"n": "3"}).n == 3
    with pytest.raises(Invalid):
        convert(Inner, {"n": "x"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["someName", "inner", "many", "n", "zzz"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_either_accepted_or_refused_with_a_reason(body: Any) -> None:
    refusals = []
    try:
        decode(DECODER, msgspec.json.encode(body))
    except Invalid as refusal:
        refusals.append(refusal)
    assert all(refusal.extra["errors"] for refusal in refusals)


@given(st.binary(max_size=40))
def test_any_bytes_are_either_accepted_or_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        decode(DECODER, body)


class Wide(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    many: list[Inner] = []
    few: Annotated[list[Inner], msgspec.Meta(max_length=20)] = []


SIZE = 64 * 1024
HOSTILE = {
    "empty objects": b'{"many":[' + b"{}," * (SIZE // 3) + b"{}]}",
    "wrong types": b'{"many":[' + b"1," * (SIZE // 2) + b"1]}",
    "good ones and a bad one": b'{"many":[' + b'{"n":1},' * (SIZE // 8) + b"{}]}",
    "too many": b'{"few":[' + b"{}," * (SIZE // 3) + b"{}]}",
    "unknown names": b"{" + b",".join(b'"k%d":1' % n for n in range(SIZE // 10)) + b"}",
    "a long unknown name": b'{"' + b"k" * SIZE + b'":1}',
    "brackets": b"[" * SIZE,
    "nested in a field": b'{"many":' + b"[" * 1000,
    "a long number": b'{"many":[{"n":' + b"1" * SIZE + b"}]}",
    "a long text for a number": b'{"many":[{"n":"' + b"1" * SIZE + b'"}]}',
    "escapes": b'{"many":"' + rb"\u0085" * (SIZE // 6) + b'"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_search_for_faults_ends_soon_however_large_the_body(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def counted(*args: Any, **options: Any) -> Any:
        looks.append(args)
        return convert_uncounted(*args, **options)

    convert_uncounted = msgspec.convert
    monkeypatch.setattr(msgspec, "convert", counted)
    with pytest.raises(Invalid) as caught:
        decode(msgspec.json.Decoder(Wide), body)
    assert len(looks) <= MAX_LOOKS + 2
    assert len(caught.value.extra.get("errors", [])) <= MAX_ERRORS
    assert len(msgspec.json.encode(caught.value.document(""))) < 4000


def test_of_a_list_that_is_too_long_nothing_else_is_said() -> None:
    with pytest.raises(Invalid) as caught:
        decode(msgspec.json.Decoder(Wide), HOSTILE["too many"])
    assert [(e.pointer, e.message) for e in caught.value.extra["errors"]] == [
        ("/few", "Expected an array of at most 20")
    ]


class Terms(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=3)] = "x"
    currency: Annotated[str, msgspec.Meta(pattern=text.CURRENCY)] | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    part: Annotated[float, msgspec.Meta(gt=0, lt=2)] = 1.0
    sure: bool = False
    role: Literal["a", "b"] = "a"
    many: Annotated[list[int], msgspec.Meta(min_length=1)] | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    amount: Decimal | None = None
    id: UUID | None = None
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", 1, "Expected a string, not an integer"),
        ("name", "", "Expected a string of at least 1 characters"),
        ("name", "long", "Expected a string of at most 3 characters"),
        ("currency", "usd", "Expected three capital letters, such as USD"),
        ("currency", "USD\n", "Expected three capital letters, such as USD"),
        ("currency", {}, "Expected a string or null, not an object"),
        ("count", 0, "Expected an integer of at least 1"),
        ("count", 9, "Expected an integer of at most 5"),
        ("count", "1", "Expected an integer, not a string"),
        ("part", 0, "Expected a number greater than 0.0"),
        ("part", 2, "Expected a number less than 2.0"),
        ("sure", None, "Expected true or false, not null"),
        ("role", "c", "Expected one of: a, b"),
        ("many", [], "Expected an array of at least 1"),
        ("many", 1.5, "Expected an array or null, not a number"),
        ("at", "now", "Expected a time in RFC 3339 with its offset, such as 2026-01-31T12:00:00Z"),
        (
            "at",
            "2026-01-31T12:00:00",
            "Expected a time in RFC 3339 with its offset, such as 2026-01-31T12:00:00Z",
        ),
        ("amount", "x", "Expected a number"),
        ("id", "x", "Expected a UUID"),
        ("inner", [], "Expected an object or null, not an array"),
        ("a/b~c", 1, "Unknown field"),
    ],
)
def test_faults_are_told_in_the_terms_of_json(field: str, value: object, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(msgspec.json.Decoder(Terms), msgspec.json.encode({field: value}))
    assert [e.message for e in caught.value.extra["errors"]] == [message]
    assert caught.value.extra["errors"][0].pointer == "/" + field.replace("~", "~0").replace(
        "/", "~1"
    )


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    years: int


class Pet(msgspec.Struct):
    pet: Cat | Dog


@pytest.mark.parametrize(
    ("pet", "pointer", "message"),
    [
        ({}, "/pet/type", "This field is required"),
        ({"type": "cow"}, "/pet/type", "Expected one of: cat, dog"),
        ({"type": "dog"}, "/pet/years", "This field is required"),
    ],
)
def test_the_kind_of_an_object_is_asked_for_by_name(
    pet: object, pointer: str, message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        decode(msgspec.json.Decoder(Pet), msgspec.json.encode({"pet": pet}))
    assert [(e.pointer, e.message) for e in caught.value.extra["errors"]] == [(pointer, message)]
