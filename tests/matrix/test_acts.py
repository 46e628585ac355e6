"""Every route by which staff change something records the act, with the person and the client's
address.
"""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from tests.matrix.acts import RECORDED, UNRECORDED, changing
from tests.matrix.callers import ADMIN, OPERATOR, OWNER, Caller, bearing
from tests.matrix.expectations import CHAOS, HARMLESS, RULES
from tests.matrix.knock import Key, Knock, fresh_values
from tests.matrix.objects import number
from tests.matrix.world import Values, World, made
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.shop import new_product, place
from valerix.contracts import acts
from valerix.contracts.ids import new_id

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The services declare parameters in the form of Litestar 2; served processes do not show these
    # warnings.
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]
FROM: Final = "198.51.100.7"
CHARGE: Final = ("payments", "POST", "/api/v1/payments")
RELEASE: Final = ("inventory", "POST", "/api/v1/inventory/release")
OF_USERS: Final = {key for key in RECORDED if key[0] == "users" or CHAOS in key[2]}
"""Acts that the audit has immediately, because users records them itself."""
ONCE: Final = [
    ("orders", "POST", "/api/v1/orders/{order_id}/retry"),
    ("orders", "DELETE", "/api/v1/orders/{order_id}"),
    ("inventory", "POST", "/api/v1/inventory/reserve"),
    ("inventory", "POST", "/api/v1/inventory/release"),
    ("inventory", "POST", "/api/v1/inventory/commit"),
    ("inventory", "DELETE", "/api/v1/products/{sku}"),
    ("inventory", "PUT", "/api/v1/products/{sku}"),
    CHARGE,
    ("orders", "POST", "/api/v1/orders/dead-letters/{letter_id}/replay"),
    ("users", "POST", "/api/v1/users/dead-letters/{letter_id}/replay"),
    ("users", "PUT", "/api/v1/users/{user_id}"),
    ("users", "PUT", "/api/v1/users/{user_id}/status"),
    ("users", "PUT", "/api/v1/users/{user_id}/role"),
    ("psp", "DELETE", CHAOS),
]
"""Calls whose repetition changes nothing."""
LETTERS: Final = {
    "orders": "order.created",
    "notifications": "order.created",
    "inventory": "order.cancelled",
}


async def test_every_route_that_changes_something_for_staff_is_recorded_or_says_why_not() -> None:
    named = RECORDED.keys() | UNRECORDED.keys()
    assert changing() - named == set(), (
        "record the act and list it in tests/matrix/acts.py,"
        " or give the reason there why it is none"
    )
    assert named - changing() == set(), (
        "staff can no longer do this: remove it from tests/matrix/acts.py"
    )


@pytest.mark.parametrize("key", RECORDED, ids=" ".join)
async def test_an_act_of_staff_is_on_record_where_it_happened_and_in_the_audit(
    world: World, key: Key
) -> None:
    caller, trace = await _caller(world, key)
    async with _ready(world, key) as values:
        await _knock(world, key, caller, values)
        if key == RELEASE and not await _on_record(world, key, trace):
            await _forget_release(
                world, values
            )  # the order's event was processed in between, and only once
            await _knock(world, key, caller, values)
    me = (await _me(world, caller))["id"]
    entries = await eventually(lambda: _audited(world, trace))
    entry = next(entry for entry in entries if entry["service"] == key[0])
    assert (entry["action"], entry["actor"], entry["role"]) == (RECORDED[key], me, caller.kind)
    if key in OF_USERS:
        assert entry["address"] == FROM
        return
    assert entry["address"] is None, "the bus carries no address"
    (act,) = await _on_record(world, key, trace)
    assert (act["act"], act["actor"], act["role"], act["address"]) == (
        RECORDED[key],
        me,
        caller.kind,
        FROM,
    )
    assert (act["id"], act["subject"]) == (entry["id"], entry["subject"])


@pytest.mark.parametrize("key", ONCE, ids=" ".join)
async def test_what_changes_nothing_is_no_act(world: World, key: Key) -> None:
    again, trace = await _caller(world, key)
    async with _ready(world, key) as values, world.platform.open("") as api:
        await _knock(world, key, (await _caller(world, key))[0], values)
        knock = Knock(world.platform, api, key)
        await knock.once(knock.own_address, again, values)
    assert await _on_record(world, key, trace) == []


async def test_what_a_customer_does_is_no_act(world: World) -> None:
    trace = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-00"}
    async with world.api(OWNER) as owner:
        body = {
            "customerId": "CUST-001",
            "items": [{"productId": world.values["plenty"], "quantity": 1}],
        }
        order = made(await owner.post("/api/v1/orders", body, **headers))
        made(await owner.call("DELETE", f"/api/v1/orders/{order['id']}", **headers))
    assert (
        await world.platform.rows("orders", "SELECT 1 FROM acts WHERE subject = $1", order["id"])
        == []
    )


async def test_a_way_through_the_warehouse_is_one_act_and_each_step_of_it_is_shown_as_by_staff(
    world: World,
) -> None:
    key = ("orders", "PUT", "/api/v1/orders/{order_id}")
    caller, trace = await _caller(world, key)
    async with world.api(OWNER) as owner, world.platform.open("") as api:
        path = f"/api/v1/orders/{made(await place(owner, {world.values['plenty']: 1}))['id']}"
        headers = {name.replace("-", "_"): value for name, value in caller.headers.items()}
        made(
            await api.call(
                "PUT", world.platform.service_url("orders") + path, {"status": "shipped"}, **headers
            )
        )
        events = made(await owner.get(path + "/events"))["events"]
    (act,) = await _on_record(world, key, trace)
    assert (act["act"], json.loads(act["what"])["status"]) == (acts.ORDER_MOVED, "shipped")
    shown = [(event["type"], event["by"]) for event in events]
    staff = {"kind": "staff"}
    assert shown[1:] == [
        ("order.confirmed", None),
        ("order.processing", staff),
        ("order.shipped", staff),
    ]


async def test_a_service_that_is_away_is_named_and_hides_no_act_of_the_others(world: World) -> None:
    async with world.api(OWNER) as owner, world.api(OPERATOR) as operator:
        path = f"/api/v1/orders/{made(await place(owner, {world.values['plenty']: 1}))['id']}"
        made(await operator.call("DELETE", path))
        async with _chaos(
            world, "orders", {"kind": "cut", "dependency": "inventory", "durationSeconds": 60}
        ):
            history = made(await operator.get(path + "/events"))
    assert history["unanswered"] == ["inventory"]
    assert [act["act"] for act in history["acts"]] == [acts.ORDER_CANCELLED]


async def test_a_customer_with_the_trace_of_staff_is_not_taken_for_staff(world: World) -> None:
    key = ("orders", "PUT", "/api/v1/orders/{order_id}")
    caller, trace = await _caller(world, key)
    address = {"shippingAddress": {"name": "A", "street": "B 1", "city": "C", "country": "DE"}}
    async with world.api(OWNER) as owner:
        order_id = made(await place(owner, {world.values["plenty"]: 1}))["id"]
        await _knock(world, key, caller, world.values | {"order_id": order_id})
        made(
            await owner.call(
                "PUT",
                f"/api/v1/orders/{order_id}",
                address,
                traceparent=caller.headers["traceparent"],
            )
        )
        events = made(await owner.get(f"/api/v1/orders/{order_id}/events"))["events"]
    changed = [
        (event["by"], event["traceId"]) for event in events if event["type"] == "order.changed"
    ]
    assert changed == [({"kind": "staff"}, trace), (None, trace)]


# --- objects that a call needs


@asynccontextmanager
async def _ready(world: World, key: Key) -> AsyncIterator[Values]:
    """Creates objects that the call can change."""
    async with world.api(OWNER) as owner, world.api(OPERATOR) as operator:
        if key == CHARGE:
            async with _unpaid_order(world, owner) as order_id:
                yield world.values | {"order_id": order_id}
        elif key[2].endswith("/replay"):
            yield world.values | await _letter(world, key[0])
        elif key[1:] == ("PUT", "/api/v1/products/{sku}"):
            sku = f"ACTS-{number()}"
            await new_product(operator, sku, 1)
            yield world.values | {"sku": sku}
        elif key == ("users", "PUT", "/api/v1/users/{user_id}"):
            account = {
                "name": "Ada",
                "email": f"acts-{new_id()}@example.com",
                "password": "long enough, 4 sure",
            }
            user = made(await owner.post("/api/v1/users/register", account))
            yield world.values | {"user_id": user["id"], "email": account["email"]}
        elif key[1] == "DELETE" and CHAOS in key[2]:
            async with _chaos(world, key[0], HARMLESS | {"durationSeconds": 60}):
                yield world.values
        else:
            values = await fresh_values(world, RULES[key], owner, operator)
            if key == RELEASE:
                await _forget_release(world, values)
            yield values


async def _forget_release(world: World, values: Values) -> None:
    """Resets the reservation, as if the goods had not been released with their order."""
    await world.platform.rows(
        "inventory", "DELETE FROM reservations WHERE order_id = $1", values["order_id"]
    )


@asynccontextmanager
async def _chaos(world: World, service: str, fault: object) -> AsyncIterator[None]:
    async with world.platform.open(
        world.platform.service_url(service), world.people[ADMIN]
    ) as admin:
        made(await admin.call("PUT", CHAOS, fault))
        yield
        made(await admin.call("DELETE", CHAOS))


@asynccontextmanager
async def _unpaid_order(world: World, owner: Api) -> AsyncIterator[str]:
    """Places an order that has reserved its stock, while orders cannot reach payments."""
    async with _chaos(
        world, "orders", {"kind": "cut", "dependency": "payments", "durationSeconds": 60}
    ):
        placed = await place(owner, {world.values["plenty"]: 1})
        assert placed.status == 202, placed.body
        yield placed.json["id"]

    async def is_whole() -> bool:
        """Whether the breaker that the cut opened is closed again."""
        return (await place(owner, {world.values["plenty"]: 1})).status == 201

    await eventually(is_whole, 60)


async def _letter(world: World, service: str) -> Values:
    """Creates a dead letter that can be processed now."""
    event: dict[str, Any] = {
        "id": f"{new_id()}:1",
        "source": "/valerix/orders",
        "type": f"valerix.{LETTERS.get(service, 'act.recorded')}.v1",
        "subject": new_id(),
        "time": "2026-01-02T03:04:05Z",
        "sequence": 1,
        "data": {
            "id": "x",
            "customerId": "CUST-001",
            "status": "pending",
            "items": [],
            "total": None,
        }
        | {"act": "tested", "actor": "a", "role": "operator", "subject": "x", "what": {}},
    }
    (letter,) = await world.platform.rows(
        service,
        "INSERT INTO dead_letters (consumer, event, error, attempts)"
        " VALUES ($1, $2::text::json, 'test', 1) RETURNING id",
        service,
        json.dumps(event),
    )
    return {"letter_id": str(letter["id"])}


async def _caller(world: World, key: Key) -> tuple[Caller, str]:
    """Returns a permitted member of staff, and the trace of the call."""
    trace = secrets.token_hex(16)
    kind = OPERATOR if OPERATOR in RULES[key].passes else ADMIN
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-00", "X-Forwarded-For": FROM}
    return bearing(kind, kind, world.people[kind], **headers), trace


async def _knock(world: World, key: Key, caller: Caller, values: Values) -> None:
    async with world.platform.open("") as api:
        knock = Knock(world.platform, api, key)
        status = await knock.once(knock.own_address, caller, values)
    assert status < 300, status


async def _me(world: World, caller: Caller) -> dict[str, Any]:
    async with world.api(caller.kind) as api:
        return made(await api.get("/api/v1/users/me"))


async def _audited(world: World, trace: str) -> list[dict[str, Any]]:
    return await world.platform.rows("users", "SELECT * FROM audit WHERE trace_id = $1", trace)


async def _on_record(world: World, key: Key, trace: str) -> list[dict[str, Any]]:
    if key in OF_USERS:
        return await _audited(world, trace)
    return await world.platform.rows(key[0], "SELECT * FROM acts WHERE trace_id = $1", trace)
