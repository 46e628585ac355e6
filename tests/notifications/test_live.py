"""The WebSocket: access, visible events, and that no event is lost or delivered twice."""

import asyncio
import socket as sockets
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import requests
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.notifications.conftest import (
    TIMEOUT_SECONDS,
    greeting,
    message,
    open_socket,
    order,
    received,
)
from tests.support.api import Api
from tests.support.brokers import ValkeyServer
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.chassis.identity.tokens import PUBLIC_AUDIENCE, TokenIssuer
from valerix.chassis.messaging.bus.base import Bus
from valerix.contracts.ids import new_id
from valerix.users import demo

STEPS = ("order.created", "order.confirmed", "order.processing", "order.shipped", "order.completed")
Person = Callable[[str], str]


def described(replica: Process, message_name: str) -> dict[str, Any]:
    """The fields of a message, as the service describes them."""
    document = requests.get(f"{replica.url}/asyncapi.json", timeout=60).json()
    assert document["channels"]["live"]["address"] == "/ws"
    fields: dict[str, Any] = document["components"]["messages"][message_name]["payload"][
        "properties"
    ]
    return fields


async def publish_steps(bus: Bus, customer: str, steps: tuple[str, ...] = STEPS) -> str:
    """Publish one message per step of a new order; returns the id of the order."""
    data = order(customer)
    messages = [
        message("orders", (step, data["id"], number, data)) for number, step in enumerate(steps, 1)
    ]
    await bus.publish(messages)
    return str(data["id"])


def names(messages: list[dict[str, Any]]) -> list[str]:
    return [one["type"].removeprefix("valerix.").removesuffix(".v1") for one in messages]


async def test_a_customer_sees_their_own_orders_in_order_on_any_replica(
    replicas: list[Process], bus: Bus, customer: str, person: Person
) -> None:
    async with (
        open_socket(replicas[0], person(customer)) as here,
        open_socket(replicas[1], person(customer)) as there,
    ):
        await greeting(here)
        await greeting(there)
        await publish_steps(bus, f"{customer}-other")
        mine = await publish_steps(bus, customer)
        for socket in (here, there):
            found = await received(socket, len(STEPS))
            assert names(found) == list(STEPS)
            assert {one["subject"] for one in found} == {mine}
            assert sorted(one["id"] for one in found) == [one["id"] for one in found]
            assert found[0].keys() == {"id", "eventId", "type", "subject", "time", "data"}
            assert found[0]["data"]["customerId"] == customer


async def test_the_staff_sees_everything(
    replicas: list[Process], bus: Bus, customer: str, identities: Identities
) -> None:
    async with open_socket(replicas[1], identities.person("operator")) as socket:
        await greeting(socket)
        await publish_steps(bus, customer, STEPS[:1])
        await publish_steps(bus, f"{customer}-other", STEPS[:1])
        await bus.publish(
            [message("inventory", ("inventory.updated", "SKU/WH", 1, {"productId": "SKU"}))]
        )
        found = await received(socket, 3)
    assert {one["type"] for one in found} <= set(
        described(replicas[0], "LiveEvent")["type"]["enum"]
    )
    assert {one["data"].get("customerId") for one in found} == {customer, f"{customer}-other", None}


async def test_who_comes_back_to_another_replica_misses_nothing_and_gets_nothing_twice(
    replicas: list[Process], bus: Bus, customer: str, person: Person
) -> None:
    seen: list[dict[str, Any]] = []
    after = None
    orders = 60

    async def place() -> None:
        for _ in range(4):  # each batch waits until the broker has synced
            data = [order(customer) for _ in range(orders // 4)]
            events = [
                (step, one["id"], n, one) for one in data for n, step in enumerate(STEPS[:2], 1)
            ]
            await bus.publish([message("orders", event) for event in events])

    async with open_socket(replicas[0], person(customer)) as socket:
        first = await greeting(socket)
        after = first["id"]
        assert first.keys() == described(replicas[0], "LiveConnected").keys()
    placing = asyncio.create_task(place())
    turn = 0
    while len(seen) < 2 * orders:
        async with open_socket(replicas[turn % 2], person(customer), after) as socket:
            first = await greeting(socket)
            assert first["id"] == after
            assert first["data"] == {"complete": True}
            some = await received(socket, min(7, 2 * orders - len(seen)))
        seen += some
        after = seen[-1]["id"]
        turn += 1
    await placing
    assert len({one["id"] for one in seen}) == 2 * orders
    assert names(seen) == list(STEPS[:2]) * orders
    async with open_socket(replicas[0], person(customer), after) as socket:
        await greeting(socket)
        with pytest.raises(TimeoutError):
            await received(socket, 1, seconds=0.5)


async def test_who_was_away_too_long_is_told_so(
    replicas: list[Process], customer: str, person: Person
) -> None:
    async with open_socket(replicas[0], person(customer), 2**62) as socket:
        assert (await greeting(socket))["data"] == {"complete": False}


async def test_two_topics_at_once_keep_every_order_in_order(
    replicas: list[Process], bus: Bus, customer: str, person: Person
) -> None:
    async with open_socket(replicas[0], person(customer)) as socket:
        await greeting(socket)
        payments = [
            message("payments", ("payment.captured", new_id(), 1, {"customerId": customer}))
            for _ in range(30)
        ]
        ids, _ = await asyncio.gather(
            asyncio.gather(*(publish_steps(bus, customer) for _ in range(10))),
            bus.publish(payments),
        )
        found = await received(socket, 10 * len(STEPS) + 30)
    assert sorted(one["id"] for one in found) == [one["id"] for one in found]
    for order_id in ids:
        assert names([one for one in found if one["subject"] == order_id]) == list(STEPS)


# --- access


async def refused(process: Process, **options: Any) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(process.url.replace("http", "ws") + "/ws", proxy=None, **options):
            pass
    return refusal.value


async def test_nobody_connects_without_a_good_token(
    replicas: list[Process], identities: Identities, person: Person
) -> None:
    issuer = TokenIssuer(identities.signing_key_file("users"))
    old = issuer.issue(
        subject="x", role="customer", audience=PUBLIC_AUDIENCE, ttl_seconds=-1, owner_id="CUST-001"
    )
    tampered = person("CUST-001")[:-4] + "AAAA"
    for header in (
        {},
        *({"authorization": f"Bearer {token}"} for token in (old, tampered, "", "nonsense")),
    ):
        response = (await refused(replicas[0], additional_headers=header)).response
        assert response.status_code == 401
        assert msgspec.json.decode(response.body)["code"] == "unauthenticated"
    in_query = f"{replicas[0].url.replace('http', 'ws')}/ws?token={person('CUST-001')}"
    with pytest.raises(InvalidStatus):
        async with connect(in_query, proxy=None):
            pass


async def test_services_are_not_people(replicas: list[Process], identities: Identities) -> None:
    header = {"authorization": f"Bearer {identities.service('orders', 'notifications')}"}
    assert (await refused(replicas[0], additional_headers=header)).response.status_code == 403


async def test_a_browser_sends_its_token_as_a_subprotocol(
    replicas: list[Process], customer: str, person: Person
) -> None:
    process, bearer = replicas[0], f"valerix.bearer.{person(customer)}"
    url = f"{process.url.replace('http', 'ws')}/ws"
    origin: Any = process.url
    cases: Any = (([bearer], bearer), ([bearer, "valerix.v1"], "valerix.v1"))
    for offered, chosen in cases:
        async with connect(url, proxy=None, subprotocols=offered, origin=origin) as socket:
            await greeting(socket)
            assert socket.subprotocol == chosen


async def test_pages_of_other_origins_cannot_connect(
    replicas: list[Process], customer: str, person: Person
) -> None:
    header = {"authorization": f"Bearer {person(customer)}"}
    for origin in ("https://evil.example", "null", f"{replicas[0].url}.evil.example"):
        refusal = await refused(replicas[0], additional_headers=header, origin=origin)
        assert refusal.response.status_code == 403
        assert msgspec.json.decode(refusal.response.body)["code"] == "origin_not_allowed"


async def test_a_last_event_id_that_is_none_is_refused(
    replicas: list[Process], person: Person
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with open_socket(replicas[0], person("CUST-001"), "1x"):  # type: ignore[arg-type]
            pass
    assert refusal.value.response.status_code == 400


async def test_elsewhere_there_is_nothing_to_connect_to(
    replicas: list[Process], person: Person
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(f"{replicas[0].url.replace('http', 'ws')}/nowhere", proxy=None)
    assert refusal.value.response.status_code == 404
    assert msgspec.json.decode(refusal.value.response.body)["code"] == "not_found"


# --- how connections end


async def test_a_connection_ends_with_its_token(
    replicas: list[Process], identities: Identities
) -> None:
    issuer = TokenIssuer(identities.signing_key_file("users"))
    token = issuer.issue(subject="x", role="operator", audience=PUBLIC_AUDIENCE, ttl_seconds=5)
    async with open_socket(replicas[0], token) as socket:
        with pytest.raises(ConnectionClosed) as end:
            await asyncio.wait_for(_drain(socket), TIMEOUT_SECONDS)
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 4401


async def test_a_client_that_talks_is_closed(replicas: list[Process], person: Person) -> None:
    for text, code in (("hello", 1008), ("x" * 5000, 1009)):
        async with open_socket(replicas[0], person("CUST-001")) as socket:
            await greeting(socket)
            await socket.send(text)
            with pytest.raises(ConnectionClosed) as end:
                await asyncio.wait_for(_drain(socket), TIMEOUT_SECONDS)
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == code


async def test_one_person_cannot_take_all_connections(
    replicas: list[Process], person: Person, api: Api
) -> None:
    token = person("CUST-greedy")
    opened = [await open_socket(replicas[0], token).__aenter__() for _ in range(32)]
    with pytest.raises(InvalidStatus) as refusal:
        async with open_socket(replicas[0], token):
            pass
    assert refusal.value.response.status_code == 429

    async def counted(connections: int) -> bool:
        return (
            b"websocket_connections_current %d.0" % connections in (await api.get("/metrics")).body
        )

    await eventually(
        lambda: counted(32)
    )  # other tests' closed connections may still be counted for a moment
    for socket in opened:
        await socket.close()
    await eventually(lambda: counted(0))


async def test_a_client_that_does_not_read_is_closed_and_disturbs_nobody(
    replicas: list[Process], bus: Bus, customer: str, person: Person, api: Api
) -> None:
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", replicas[0].port))
    small.setblocking(False)
    async with (
        open_socket(replicas[0], person(customer), sock=small, max_queue=1) as stuck,
        open_socket(replicas[0], person(customer)) as well,
    ):
        await greeting(well)
        count = 600
        reading = asyncio.create_task(received(well, count, 120))
        event = ("payment.captured", new_id(), 1, {"customerId": customer, "filler": "x" * 20_000})
        for _ in range(count // 60):
            await bus.publish([message("payments", event) for _ in range(60)])
        assert len({one["id"] for one in await reading}) == count

        async def one_left() -> bool:
            return b"websocket_connections_current 1.0" in (await api.get("/metrics")).body

        await eventually(one_left, 90)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(_drain(stuck), TIMEOUT_SECONDS)


async def test_clients_are_served_while_valkey_is_away(
    stored: str,
    replicas: list[Process],
    bus: Bus,
    identities: Identities,
    broker: ValkeyServer,
    customer: str,
) -> None:
    away = {"valkey_url": "redis://127.0.0.1:1", "bus_url": broker.url}
    token = identities.person("customer", customer)
    with running("notifications", identities, database_url=stored, **away) as alone:
        async with open_socket(alone, token) as socket:
            await greeting(socket)
            await publish_steps(bus, customer)
            assert names(await received(socket, len(STEPS))) == list(STEPS)


async def _drain(socket: Any) -> None:
    while True:
        await socket.recv()


# --- browsers and sessions


async def test_a_browser_connects_by_cookie_from_our_own_page_alone(
    replicas: list[Process], identities: Identities
) -> None:
    cookie = f"valerix_access={identities.person('operator', session_id='s', csrf='c')}"
    url = f"{replicas[0].url.replace('http', 'ws')}/ws"
    headers = {"cookie": cookie}
    async with connect(
        url, additional_headers=headers, origin=Origin(replicas[0].url), proxy=None
    ) as socket:
        await greeting(socket)
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            url, additional_headers=headers, origin=Origin("https://evil.example"), proxy=None
        )
    assert refused.value.response.status_code == 403


async def test_who_signs_out_loses_the_open_connection_too(
    postgres: PostgresServer, stored: str, broker: ValkeyServer, identities: Identities
) -> None:
    name, database_url = postgres.fresh_database("users")
    await demo.seed(
        database_url, demo_password="demo password 1", admin_password="unused", demo=True
    )
    common = {"valkey_url": broker.url, "bus_url": broker.url}
    with (
        running("users", identities, database_url=database_url) as users,
        running(
            "notifications", identities, database_url=stored, users_url=users.url, **common
        ) as hub,
    ):
        async with Api.open(users.url) as api:
            body = {"email": f"ada@{demo.DOMAIN}", "password": "demo password 1"}
            token = (await api.post("/api/v1/users/login", body)).json["accessToken"]
            async with open_socket(hub, token) as socket:
                await greeting(socket)
                await api.call("POST", "/api/v1/users/logout", token=token)
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(socket.recv(), 60)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401
    postgres.drop(name)
