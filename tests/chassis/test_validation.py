"""Bad bodies: every fault found, none crashing the finder."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valerix.chassis.base.problems import Invalid
from valerix.chassis.base.validation import convert, decode


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
    assert pointers(body) == ["/someName", "/inner/n", "/inner/x", "/many/1/n", "/many/2", "/many/3/n"]


def test_missing_and_unknown_fields_are_named() -> None:
    assert pointers({"some_name": "x"}) == ["/someName", "/inner", "/some_name"]


@pytest.mark.parametrize("body", [b"[1,2", b'{"someName": 1', b'{"someName": 1, "inner": {]', b'{"a": 1}}', b""])
def test_a_wrong_type_before_a_syntax_error_is_still_an_invalid_body(body: bytes) -> None:
    with pytest.raises(Invalid, match="not JSON"):
        decode(DECODER, body)


def test_query_values_come_as_text() -> None:
    assert convert(Inner, {"n": "3"}).n == 3
    with pytest.raises(Invalid):
        convert(Inner, {"n": "x"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["someName", "inner", "many", "n", "zzz"]), inner),
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
