"""Input from outside: bad input is refused with a reason and never with a 5xx; accepted input is
stored unchanged.
"""

import asyncio
import base64
import json
import time
from typing import Any, Final
from urllib.parse import quote, urlsplit

import jwt
import pytest

from tests.matrix.callers import OWNER
from tests.matrix.world import PLENTY, World
from tests.support.api import Answer, Api
from valerix.chassis.http import edge
from valerix.contracts.ids import new_id

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The services declare parameters in the form of Litestar 2; served processes do not show these
    # warnings.
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]
MOST: Final = 64 * 1024
ORDER: Final = {"customerId": "CUST-001", "items": [{"productId": PLENTY, "quantity": 1}]}


def cursor(*keys: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def errors(answer: Answer) -> dict[str, str]:
    assert answer.status == 400, (answer.status, answer.body)
    return {error["pointer"]: error["message"] for error in answer.json.get("errors", [])}


# --- bodies


@pytest.mark.parametrize(
    "body", [b"[" * 1000, b'{"x":' + b"[" * 1000, b"[" * 60_000, b'{"email":' * 1000, b'"\xff"']
)
@pytest.mark.parametrize(
    "path", ["/api/v1/orders", "/api/v1/users/login", "/api/v1/users/register"]
)
async def test_brackets_without_end_are_no_body(owner: Api, path: str, body: bytes) -> None:
    assert (await owner.post(path, body)).status == 400


@pytest.mark.parametrize("depth", [10, 100, 400, 700, 800, *range(840, 1000, 5)])
@pytest.mark.parametrize("shape", ['{{"a":{}}}', "[{}]"])
async def test_data_of_a_message_is_taken_or_refused_however_deep(
    operator: Api, shape: str, depth: int
) -> None:
    """Tries every depth at which one of the parsers could reach its limit."""
    data = "1"
    for _ in range(depth):
        data = shape.format(data)
    order = json.dumps((await operator.get("/api/v1/orders?limit=1")).json["items"][0])
    body = f'{{"customerId":"CUST-001","template":"order_held","data":{order[:-1]},"a":{data}}}}}'
    answer = await operator.post(
        "/api/v1/notifications/send", body.encode(), idempotency_key=new_id()
    )
    assert answer.status in (202, 400), answer.body


@pytest.mark.parametrize("value", [{}, [], 1, None, True, 1.5, "\n", "x" * 5000])
@pytest.mark.parametrize(
    "field", ["paymentMethod", "onShortage", "customerId", "items", "idempotencyKey", "product"]
)
async def test_a_value_of_another_type_is_a_bad_field(
    owner: Api, field: str, value: object
) -> None:
    """A changed customer is refused first, with 403. Null counts as absent."""
    answer = await owner.post("/api/v1/orders", ORDER | {field: value})
    if value is not None and answer.status != 403:
        assert f"/{field}" in errors(answer) or "/items" in errors(answer)
    assert answer.status < 500


@pytest.mark.parametrize(
    "body",
    [
        b'{"customerId":"CUST-001","items":[{"productId":"MATRIX","quantity":'
        + b"9" * 60_000
        + b"}]}",
        b'{"customerId":"CUST-001","product":"MATRIX","amount":' + b"9" * 60_000 + b"}",
        b'{"customerId":"CUST-001","product":"MATRIX","amount":1e' + b"9" * 60_000 + b"}",
    ],
)
async def test_numbers_without_end_are_refused(owner: Api, body: bytes) -> None:
    assert (await owner.post("/api/v1/orders", body)).status == 400


@pytest.mark.parametrize("body", [None, b"", b"null"])
@pytest.mark.parametrize(
    "path", ["notifications/send", "inventory/adjust", "payments/{payment_id}/refund", "orders"]
)
async def test_a_body_that_is_missing_is_asked_for(
    world: World, operator: Api, path: str, body: bytes | None
) -> None:
    assert (await operator.post(f"/api/v1/{path.format(**world.values)}", body)).status == 400


@pytest.mark.parametrize(
    "media_type", ["Application/Json", "application/json; charset=utf-8", "APPLICATION/JSON ;v=1"]
)
@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/users/login"])
async def test_media_types_are_read_whatever_their_case(
    owner: Api, path: str, media_type: str
) -> None:
    assert (await owner.post(path, b"{}", content_type=media_type)).status == 400


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/jsonp", "", "application/x-www-form-urlencoded"]
)
async def test_other_media_types_are_refused(owner: Api, media_type: str) -> None:
    assert (await owner.post("/api/v1/users/login", b"{}", content_type=media_type)).status == 415


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/users/login"])
async def test_a_compressed_body_is_refused_by_name(owner: Api, path: str) -> None:
    answer = await owner.post(path, b"\x1f\x8b", content_encoding="gzip")
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in answer.json["detail"]
    assert (await owner.post(path, b"{}", content_encoding="Identity")).status == 400


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/payments", "/api/v1/inventory/adjust"])
async def test_a_body_is_not_read_before_the_token(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the body was read")

    monkeypatch.setattr(edge, "read_body", read)
    async with world.platform.open(world.platform.url) as guest:
        assert (await guest.post(path, b"{" * MOST)).status == 401
    async with world.api(OWNER) as customer:
        assert (await customer.post("/api/v1/inventory/adjust", b"{" * MOST)).status == 403


async def test_a_bad_body_costs_little_more_than_a_good_one(owner: Api, operator: Api) -> None:
    """Compares the ratio within one run, not the time: each of these bodies once took hundreds of
    times as long.
    """

    async def spent(method: str, path: str, body: bytes) -> float:
        async def once() -> float:
            started = time.process_time()
            assert (await owner.call(method, path, body)).status in (400, 422)
            return time.process_time() - started

        return min([await once() for _ in range(5)])

    good = json.dumps(
        {"customerId": "CUST-001", "items": [{"productId": "NONE", "quantity": 1}] * 100}
    ).encode()
    usual = await spent("POST", "/api/v1/orders", good + b" " * (MOST - len(good)))
    for items in (b"{}", b"1", b'{"productId":1,"quantity":"1"}'):
        bad = (
            b'{"customerId":"CUST-001","items":['
            + (items + b",") * ((MOST - 200) // len(items + b","))
            + items
            + b"]}"
        )
        assert await spent("POST", "/api/v1/orders", bad) < 10 * usual
        assert await spent("PUT", f"/api/v1/orders/{new_id()}", bad) < 10 * usual


@pytest.mark.parametrize("chunk", [b"1;a=\n", b"xyz\r\n", b"-1\r\n", b"FFFFFFFFFFFFFFFFFFFFF\r\n"])
@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/users/login"])
async def test_a_malformed_chunk_is_refused_or_the_connection_ends(
    world: World, path: str, chunk: bytes
) -> None:
    service = "orders" if path.endswith("orders") else "users"
    port = urlsplit(world.platform.service_url(service)).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.people[OWNER]}\r\n"
    writer.write(
        head.encode()
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk
    )
    try:
        answer = await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        answer = b""
    finally:
        writer.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


# --- paths, queries, headers


@pytest.mark.parametrize(
    "path",
    [
        "orders/{order_id}",
        "payments/{payment_id}",
        "notifications/{notification_id}",
        "products/{sku}",
        "customers/x",
    ],
)
async def test_an_id_with_a_line_break_is_no_id(world: World, operator: Api, path: str) -> None:
    assert (await operator.get(f"/api/v1/{path.format(**world.values)}%0A")).status in (400, 404)


@pytest.mark.parametrize("number", ["9" * 5000, str(2**63), "-1", "1e3", "0x1", "1_0"])
async def test_a_number_in_a_path_is_found_or_not(operator: Api, number: str) -> None:
    answer = await operator.get(f"/api/v1/orders/dead-letters/{quote(number)}")
    assert answer.status in (400, 404)
    assert "`" not in answer.body.decode()


async def test_another_payment_is_not_made_for_an_order_with_a_line_break(
    world: World, operator: Api
) -> None:
    answer = await operator.post(f"/api/v1/payments/{world.values['payment_id']}%0A/refund", {})
    assert answer.status in (400, 404)
    amount = {"amountMinor": 1000, "currency": "USD"}
    order = {
        "orderId": world.values["order_id"] + "\n",
        "customerId": "CUST-001",
        "amount": amount,
        "method": "card_ok",
    }
    assert errors(await operator.post("/api/v1/payments", order)) == {
        "/orderId": "Expected a UUID in lower case"
    }


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("orders/dead-letters", [2**63]),
        ("orders/dead-letters", [10**400]),
        ("orders", [new_id() + "\n"]),
        ("payments", [new_id() + "\n"]),
        ("notifications", [new_id() + "\n"]),
        ("orders/{order_id}/events", [2**31]),
        ("inventory/{sku}/movements", ["9999-12-31T23:59:59-23:59", "MAIN", 1]),
        ("inventory/{sku}/movements", ["0001-01-01T00:00:00+23:59", "MAIN", 1]),
        ("orders", ["[" * 100]),
        ("products", [{}]),
    ],
)
async def test_a_cursor_that_was_not_made_here_is_refused(
    world: World, operator: Api, path: str, keys: list[object]
) -> None:
    answer = await operator.get(f"/api/v1/{path.format(**world.values)}?cursor={cursor(*keys)}")
    assert set(errors(answer)) == {"/cursor"}


async def test_a_cursor_of_brackets_is_refused(operator: Api) -> None:
    brackets = base64.urlsafe_b64encode(b"[" * 375).decode()
    assert set(errors(await operator.get(f"/api/v1/orders?cursor={brackets}"))) == {"/cursor"}


TIMES: Final = {
    "9999-12-31T23:59:59-23:59": False,
    "0001-01-01T00:00:00+23:59": False,
    "9999-12-31T23:59:59Z": True,
    "0001-01-01T00:00:00Z": True,
    "2026-01-31T12:00:00+01:00": True,
    "2026-01-31T12:00:00": False,
    "2026-01-31": False,
    "0.5": False,
    "1769860800": False,
    "2026-01-31T12:00:00Z\n": False,
    "9" * 49: False,
}


@pytest.mark.parametrize(("moment", "good"), TIMES.items())
@pytest.mark.parametrize("path", ["orders", "payments", "users/audit"])
@pytest.mark.parametrize("name", ["from", "to"])
async def test_times_are_rfc_3339_with_an_offset(
    world: World, path: str, name: str, moment: str, good: bool
) -> None:
    async with world.api("admin") as admin:
        answer = await admin.get(f"/api/v1/{path}?{name}={quote(moment)}")
    if good:
        assert answer.status == 200, answer.body
    elif "\n" in moment:
        assert answer.status == 400
    else:
        assert "RFC 3339" in errors(answer)[f"/{name}"]


async def test_a_plus_that_became_a_space_is_explained(operator: Api) -> None:
    assert (
        "%2B"
        in errors(await operator.get("/api/v1/orders?from=2026-01-31T12:00:00+01:00"))["/from"]
    )


@pytest.mark.parametrize(
    "limit", ["9" * 5000, "1e9", "0x1", "\u0661\u0662", "1.5", "", "nan", "2 "]
)
async def test_limits_are_numbers(owner: Api, limit: str) -> None:
    assert set(errors(await owner.get(f"/api/v1/orders?limit={quote(limit)}"))) == {"/limit"}


async def test_parameters_are_explained_in_the_terms_of_json(owner: Api) -> None:
    assert errors(await owner.get("/api/v1/orders?limit=0")) == {
        "/limit": "Expected an integer of at least 1"
    }
    found = errors(await owner.get("/api/v1/orders?from=2026-01-31T12:00:00Z&traceId=x"))
    assert found == {"/traceId": "Expected 32 hexadecimal digits in lower case"}


async def test_unknown_parameters_are_refused_and_the_known_ones_named(owner: Api) -> None:
    found = errors(await owner.get("/api/v1/orders?limt=3&limit=3&_=1&utm_source=x"))
    assert found.keys() == {"/limt"}
    assert "customerId, from, limit" in found["/limt"]
    assert errors(await owner.get("/api/v1/orders/x?a=1")) == {"/a": edge.NO_PARAMETERS}
    assert errors(await owner.post("/api/v1/orders?dry=1", ORDER)) == {"/dry": edge.NO_PARAMETERS}
    assert (await owner.get("/api/v1/orders?_=1&utm_source=x")).status == 200


async def test_a_stranger_is_not_told_the_parameters(world: World) -> None:
    async with world.platform.open(world.platform.url) as guest:
        assert (await guest.get("/api/v1/orders?limt=3")).status == 401


async def test_probes_take_any_parameter(world: World) -> None:
    async with world.platform.open(world.platform.service_url("orders")) as guest:
        assert (
            (await guest.get("/ready?x=1")).status == (await guest.get("/health?x=1")).status == 200
        )


async def test_a_trailing_slash_is_the_same_request(owner: Api) -> None:
    key = new_id()
    first = await owner.post("/api/v1/orders", ORDER, idempotency_key=key)
    again = await owner.post("/api/v1/orders/", ORDER, idempotency_key=key)
    assert (first.status, again.status, again.body) == (201, 200, first.body)
    assert (await owner.get(f"/api/v1/orders/{first.json['id']}/")).body == first.body


@pytest.mark.parametrize("key", ["a\x85b", "a\x7fb", "\x01", "a\tb"])
async def test_a_key_has_printable_characters(owner: Api, key: str) -> None:
    assert (await owner.post("/api/v1/orders", ORDER, idempotency_key=key)).status == 400


@pytest.mark.parametrize("header", ["x_valerix_deadline_ms", "if_match", "content_length"])
async def test_numbers_without_end_in_headers_are_no_failure(
    world: World, owner: Api, header: str
) -> None:
    answer = await owner.call(
        "PUT", f"/api/v1/orders/{world.values['order_id']}", b"{}", **{header: "9" * 5000}
    )
    assert answer.status < 500


# --- tokens


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 10**400},
        {"exp": 1e300},
        {"exp": float("inf")},
        {"iat": float("inf")},
        {"exp": -1},
        {"sid": {}},
        {"role": ["admin"]},
        {"own": 1},
        {"csrf": []},
    ],
)
async def test_a_claim_of_another_form_makes_no_token(world: World, claims: dict[str, Any]) -> None:
    token = world.people[OWNER]
    said = jwt.decode(token, options={"verify_signature": False}) | claims
    jwk = json.loads((world.platform.secrets / "users.jwk").read_text())
    headers = {"kid": jwk["kid"], "typ": "at+jwt"}
    signed = jwt.api_jws.PyJWS().encode(
        json.dumps(said).encode(), jwt.PyJWK(jwk, "EdDSA").key, algorithm="EdDSA", headers=headers
    )
    async with world.platform.open(world.platform.url, signed) as api:
        assert (await api.get("/api/v1/orders")).status == 401


@pytest.mark.parametrize(
    "header", [b"[" * 2900, b'{"kid":{},"typ":"at+jwt"}', b'{"kid":' + b"9" * 2900 + b"}"]
)
async def test_a_header_of_another_form_makes_no_token(world: World, header: bytes) -> None:
    token = base64.urlsafe_b64encode(header).decode().rstrip("=") + ".e30.AA"
    async with world.platform.open(world.platform.url, token) as api:
        assert (await api.get("/api/v1/orders")).status == 401
