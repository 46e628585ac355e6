"""The characters that a new text may have; stored texts with other characters are read, replayed
and consumed as before.
"""

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.matrix.in_process import InProcess
from tests.matrix.test_input import ORDER, errors
from tests.matrix.world import PLENTY, World
from tests.support.api import Api
from tests.support.eventually import eventually
from valerix.chassis.base import validation
from valerix.contracts import text
from valerix.contracts.ids import new_id

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The services declare parameters in the form of Litestar 2; served processes do not show these
    # warnings.
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]
ADDRESS: Final = {"name": "Ada", "street": "A 1", "city": "B", "country": "DE"}
REFUSED: Final = [
    *range(1, 0x20),
    *range(0x7F, 0xA0),
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]
EVERY: Final = "".join(map(chr, REFUSED))
ALLOWED: Final = "Zoë \u200e\u200f\u061c\u200c\u200d 東京 👩‍🚀"


def placing(value: str) -> tuple[str, str, dict[str, Any]]:
    return (
        "/api/v1/orders",
        "/shippingAddress/street",
        ORDER | {"shippingAddress": ADDRESS | {"street": value}},
    )


def sending(value: str) -> tuple[str, str, dict[str, Any]]:
    return (
        "/api/v1/notifications/send",
        "/subject",
        {"customerId": "CUST-001", "subject": value, "body": "x"},
    )


def adjusting(value: str) -> tuple[str, str, dict[str, Any]]:
    body = {"productId": PLENTY, "warehouseId": "WH-EAST", "delta": 1, "reason": value}
    return "/api/v1/inventory/adjust", "/reason", body


TEXTS: Final = [placing, sending, adjusting]
Making = Callable[[str], tuple[str, str, dict[str, Any]]]


@pytest.mark.parametrize("make", TEXTS)
async def test_every_refused_character_is_refused_in_new_text(operator: Api, make: Making) -> None:
    for code in REFUSED:
        path, pointer, body = make(f"a{chr(code)}b")
        for ascii_only in (True, False):
            answer = await operator.post(path, json.dumps(body, ensure_ascii=ascii_only).encode())
            assert errors(answer) == {pointer: text.REFUSED}, hex(code)


@pytest.mark.parametrize("make", TEXTS)
async def test_marks_joiners_and_all_scripts_are_allowed(operator: Api, make: Making) -> None:
    path, _, body = make(ALLOWED)
    for ascii_only in (True, False):
        answer = await operator.post(path, json.dumps(body, ensure_ascii=ascii_only).encode())
        assert answer.status < 300, answer.body


async def test_texts_of_several_lines_have_line_breaks_and_tabs(operator: Api) -> None:
    message = {"customerId": "CUST-001", "subject": "x"}
    assert (
        await operator.post("/api/v1/notifications/send", message | {"body": "a\n\tb"})
    ).status == 202
    assert errors(
        await operator.post("/api/v1/notifications/send", message | {"body": "a\rb"})
    ) == {"/body": text.REFUSED}
    order = (await operator.get("/api/v1/orders?limit=1")).json["items"][0]
    data = {
        "customerId": "CUST-001",
        "template": "order_held",
        "data": order | {"a": [{"b": "\x1b]0;x"}]},
    }
    assert errors(await operator.post("/api/v1/notifications/send", data)) == {
        "/data": text.REFUSED
    }


@pytest.mark.parametrize("code", [0x0A, 0x1B, 0x85, 0x2028, 0x202E])
async def test_paths_and_queries_have_one_line(owner: Api, world: World, code: int) -> None:
    written = quote(chr(code))
    assert (await owner.get(f"/api/v1/orders/{written}")).status == 400
    path = f"/api/v1/orders/{world.values['order_id']}?reason=a{written}b"
    assert (await owner.call("DELETE", path)).status == 400


async def test_a_password_of_before_still_lets_its_owner_in(world: World) -> None:
    async with world.platform.open(world.platform.url) as guest:
        person = {"email": f"{new_id()}@example.com", "password": "correct horse \u2028 battery"}
        answer = await guest.post("/api/v1/users/register", person | {"name": "X"})
        assert errors(answer) == {"/password": text.REFUSED}
        assert (await guest.post("/api/v1/users/login", person)).status == 401


# --- what is stored


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Turns the check of texts off, as in earlier versions, until the returned function is
    called.
    """
    monkeypatch.setattr(validation, "refused_text", lambda kind, body: None)
    return monkeypatch.undo


async def test_an_old_order_is_read_replayed_consumed_and_cancelled(
    owner: Api, operator: Api, before: Callable[[], None]
) -> None:
    key = new_id()
    path, _, body = placing(f"A{EVERY}\n")
    first = await owner.post(path, body, idempotency_key=key)
    before()
    assert first.status == 201
    again = await owner.post(path, body, idempotency_key=key)
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (
        200,
        first.body,
        "true",
    )
    assert (await owner.post(path, body, idempotency_key=new_id())).status == 400
    assert (await owner.post(path, body)).status == 400
    one = f"/api/v1/orders/{first.json['id']}"
    assert (await owner.get(one)).body == first.body
    assert first.json in (await operator.get("/api/v1/orders?limit=200")).json["items"]
    assert (await operator.get(f"{one}/events")).status == 200
    cancelled = await operator.call("DELETE", one)
    assert (cancelled.status, cancelled.json["shippingAddress"]["street"]) == (200, f"A{EVERY}\n")


async def test_old_texts_of_staff_are_replayed(
    world: World, operator: Api, before: Callable[[], None]
) -> None:
    requests = [sending(EVERY), adjusting(EVERY)]
    payment = f"/api/v1/payments/{world.values['payment_id']}/refund"
    requests.append((payment, "/reason", {"amountMinor": 1, "reason": EVERY}))
    keys = [new_id() for _ in requests]
    bodies = [
        body | ({"idempotencyKey": key} if "adjust" in path else {})
        for (path, _, body), key in zip(requests, keys, strict=True)
    ]
    asked = list(zip(requests, bodies, keys, strict=True))
    first = [
        await operator.post(path, body, idempotency_key=key) for (path, _, _), body, key in asked
    ]
    before()
    assert all(answer.status < 300 for answer in first), [answer.body for answer in first]
    for ((path, pointer, _), body, key), answer in zip(asked, first, strict=True):
        again = await operator.post(path, body, idempotency_key=key)
        assert again.status == 200, again.body
        assert again.json == answer.json | ({"idempotent": True} if "adjust" in path else {})
        other = new_id()
        new = body | ({"idempotencyKey": other} if "adjust" in path else {})
        assert errors(await operator.post(path, new, idempotency_key=other)) == {
            pointer: text.REFUSED
        }


async def test_old_rows_are_read_and_consumed(
    platform: InProcess, world: World, operator: Api, owner: Api
) -> None:
    """Writes directly into the tables: a name in the catalogue, an address and a message with every
    character.
    """
    await platform.rows(
        "inventory", "UPDATE products SET name = $1, description = $1 WHERE sku = $2", EVERY, PLENTY
    )
    assert (await operator.get(f"/api/v1/products/{PLENTY}")).json["name"] == EVERY
    placed = await owner.post("/api/v1/orders", ORDER)
    assert (placed.status, placed.json["items"][0]["productName"]) == (201, EVERY)
    order_id = placed.json["id"]
    await platform.rows(
        "orders",
        "UPDATE orders SET shipping_address = $1::jsonb WHERE id = $2",
        json.dumps({"street": EVERY}),
        order_id,
    )
    assert (await owner.get(f"/api/v1/orders/{order_id}")).json["shippingAddress"] == {
        "street": EVERY
    }
    cancelled = await owner.call("DELETE", f"/api/v1/orders/{order_id}")
    assert cancelled.status == 200

    async def is_stored() -> bool:
        found = (await owner.get("/api/v1/notifications")).json["items"]
        return any(
            order_id[-12:] in n["subject"] + n["body"] or order_id in n["body"] for n in found
        )

    assert await eventually(is_stored, 60)
