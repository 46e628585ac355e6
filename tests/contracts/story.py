"""Every event that services can emit, emitted by real processes and use cases.

PostgreSQL is real, and the input is fixed. There is no bus, so the events wait in their outboxes
until the relays' own code hands them to a recorder.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Final

import msgspec

from tests.chassis.test_outbox_inbox import Recorder
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.orders import AWAY
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.messaging.outbox import Load, Relay
from valerix.chassis.messaging.repository import ACTS
from valerix.chassis.postgres.database import Database
from valerix.contracts.events import (
    ACT_RECORDED,
    INVENTORY,
    ORDERS,
    PAYMENTS,
    PREFIX,
    USERS,
    VERSION,
)
from valerix.contracts.events import ACTS as ACTS_TOPIC
from valerix.inventory.repository import outbox as inventory
from valerix.orders import composition
from valerix.orders.answers import Answer
from valerix.orders.order import OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.repository.outbox import list_outgoing as list_outgoing_orders
from valerix.payments.repository import outbox as payments
from valerix.users.repository import accounts as users

LOADS: Final[dict[str, Load]] = {
    ORDERS: list_outgoing_orders,
    INVENTORY: inventory.list_outgoing,
    PAYMENTS: payments.list_outgoing,
    USERS: users.list_outgoing,
}
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
SECRET: Final = "only-for-this-test-run"
ADDRESS: Final = {
    "name": "Ada",
    "street": "1 High Street",
    "city": "London",
    "country": "GB",
    "postalCode": "W1",
}
PASSWORD: Final = "a password of the story"
ALWAYS_NEW: Final = {
    re.compile(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    ): "01890000-0000-7000-8000-000000000000",
    re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"): "2026-01-02T03:04:05Z",
    re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-00$"): f"00-{TRACE}-00f067aa0ba902b7-00",
}


def tell_everything(postgres: PostgresServer, identities: Identities) -> dict[str, dict[str, Any]]:
    """Return the first event of each type, as on the bus, with its ids and times replaced."""
    databases = {name: postgres.fresh_database(name) for name in LOADS}
    urls = {name: url for name, (_, url) in databases.items()}
    with ExitStack() as processes:
        services = dict(_start(processes, identities, urls))
        recorded = asyncio.run(_tell(services, identities, urls))
    for name, _ in databases.values():
        postgres.drop(name)
    return recorded


def _start(
    processes: ExitStack, identities: Identities, urls: dict[str, str]
) -> Iterator[tuple[str, Process]]:
    ledger = identities.folder / "ledger.jsonl"
    psp = processes.enter_context(running("psp", identities, psp_secret=SECRET, ledger_file=ledger))
    # Here orders calls no service: it only answers calls, and notes refunds.
    away = dict.fromkeys(("users_url", "inventory_url", "payments_url"), AWAY)
    orders = processes.enter_context(running(ORDERS, identities, database_url=urls[ORDERS], **away))
    asking = {"orders_url": orders.url}
    more = {INVENTORY: asking, PAYMENTS: asking | {"psp_url": psp.url, "psp_secret": SECRET}}
    for name in (USERS, INVENTORY, PAYMENTS):
        settings = {"database_url": urls[name], **more.get(name, {})}
        yield name, processes.enter_context(running(name, identities, **settings))


async def _tell(
    services: dict[str, Process], identities: Identities, urls: dict[str, str]
) -> dict[str, dict[str, Any]]:
    await _tell_customers(services[USERS], identities)
    await _tell_mails(identities, urls[USERS])
    await _tell_stock(services[INVENTORY], identities)
    await _tell_orders_and_payments(services, identities, urls[ORDERS])
    recorded: dict[str, dict[str, Any]] = {}
    for source, url in urls.items():
        for event in await _outgoing(source, url):
            recorded.setdefault(
                event["type"].removeprefix(PREFIX).removesuffix(VERSION), _settled(event)
            )
    recorded[ACT_RECORDED] = _settled((await _outgoing_acts(INVENTORY, urls[INVENTORY]))[0])
    return recorded


async def _tell_customers(service: Process, identities: Identities) -> None:
    async with Api.open(service.url, identities.person("admin", subject="ann")) as api:
        account = {"name": "Ada Byron", "email": "ada@shop.example", "password": PASSWORD}
        ada = _good(await api.post("/api/v1/users/register", account))
        _good(
            await api.call(
                "PUT", f"/api/v1/users/{ada['id']}", {"name": "Ada Lovelace", "email": ada["email"]}
            )
        )


async def _tell_mails(identities: Identities, url: str) -> None:
    """Emit the mail events by a service with the secret that they need."""
    with running(USERS, identities, database_url=url, mail_secret=SECRET) as service:
        async with Api.open(service.url, identities.person("admin", subject="ann")) as api:
            (ada,) = _good(await api.get("/api/v1/users"))["items"]
        async with Api.open(
            service.url, identities.person("customer", ada["customerId"], ada["id"])
        ) as api:
            _good(await api.post("/api/v1/users/password/forgot", {"email": ada["email"]}))

            async def asked() -> bool:
                return bool(_good(await api.get("/api/v1/users/me"))["version"] > ada["version"])

            await eventually(asked)
            _good(await api.post("/api/v1/users/me/email/confirmation", {}))
            moved = {"name": ada["name"], "email": "ada@home.example", "currentPassword": PASSWORD}
            _good(await api.call("PUT", f"/api/v1/users/{ada['id']}", moved))


async def _tell_stock(service: Process, identities: Identities) -> None:
    async with Api.open(service.url, identities.person("operator", subject="olga")) as api:
        _good(
            await api.post(
                "/api/v1/warehouses", {"warehouseId": "WH-EAST", "name": "East", "priority": 1}
            )
        )
        product = {
            "productId": "PROD-001",
            "name": "Lamp",
            "price": {"amountMinor": 1999, "currency": "USD"},
            "lowStockThreshold": 5,
            "initialStock": [{"warehouseId": "WH-EAST", "quantity": 10}],
        }
        _good(await api.post("/api/v1/products", product))
        change = {
            "productId": "PROD-001",
            "warehouseId": "WH-EAST",
            "delta": -1,
            "reason": "broken",
        }
        _good(await api.post("/api/v1/inventory/adjust", change))


async def _tell_orders_and_payments(
    services: dict[str, Process], identities: Identities, url: str
) -> None:
    settings = composition.Settings(
        port=0,
        keys_file=identities.keys_file,
        signing_key_file=identities.signing_key_file(ORDERS),
        database_url=url,
        bus_url="redis://127.0.0.1:1",
        users_url=(services[USERS].url,),
        inventory_url=(services[INVENTORY].url,),
        payments_url=(services[PAYMENTS].url,),
        dwell_seconds=0,
    )
    async with AsyncExitStack() as resources:
        desk = (await composition.build(settings, resources)).flows

        async def place(
            quantity: int, method: str = "card_ok", on_shortage: str = "hold"
        ) -> Answer:
            lines = [OrderLine("PROD-001", quantity)]
            order = new_order("CUST-001", lines, method, on_shortage, ADDRESS)
            return await desk.placing.place(
                PlaceRequest(order, None, b"", TRACE, Deadline.after(30))
            )

        first, declined, short = await place(5), await place(1, "card_declined"), await place(100)
        assert [answer.status for answer in (first, declined, short)] == [201, 402, 409]

        async def completed() -> bool:
            await desk.fulfilment.sweep(10, Deadline.after(30))
            return (await desk.queries.get(first.order_id, None)).status == "completed"

        await eventually(completed)
        second = await place(1)
        cancelled = await desk.changes.cancel(
            second.order_id, None, "changed my mind", Deadline.after(30)
        )
        assert cancelled.status == "cancelled"
        assert (await place(20, on_shortage="backorder")).status == 409
        await _deliver(services[INVENTORY], identities)
        await _give_back(services[PAYMENTS], identities, first.order_id)

        async def shown() -> bool:
            return (await desk.queries.get(first.order_id, None)).refunded_minor == 500

        await eventually(shown)


async def _deliver(service: Process, identities: Identities) -> None:
    async with Api.open(service.url, identities.person("operator", subject="olga")) as api:
        delivery = {
            "productId": "PROD-001",
            "warehouseId": "WH-EAST",
            "delta": 30,
            "reason": "delivery",
        }
        _good(await api.post("/api/v1/inventory/adjust", delivery))


async def _give_back(service: Process, identities: Identities, order_id: str) -> None:
    async with Api.open(service.url, identities.person("operator", subject="olga")) as api:
        payment = _good(await api.call("GET", f"/api/v1/payments/order/{order_id}"))
        body = {"amountMinor": 500, "reason": "scratched"}
        _good(await api.post(f"/api/v1/payments/{payment['id']}/refund", body))


async def _outgoing(source: str, url: str) -> list[dict[str, Any]]:
    async with Database.open(url, 2) as database:
        return await _moved(
            database, Relay(database, bus := Recorder(), source, [], LOADS[source]), bus
        )


async def _outgoing_acts(source: str, url: str) -> list[dict[str, Any]]:
    async with Database.open(url, 2) as database:
        relay = Relay(
            database, bus := Recorder(), source, [], ACTS.list_outgoing, ACTS, topic=ACTS_TOPIC
        )
        return await _moved(database, relay, bus)


async def _moved(database: Database, relay: Relay, bus: Recorder) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        while await relay.move(connection):
            pass
    return [event for message in bus.published for event in msgspec.json.decode(message.body)]


def _settled(value: Any) -> Any:
    """Replace ids, times and traces that have their proper form; any other form stays visible."""
    if isinstance(value, dict):
        return {name: _settled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_settled(inner) for inner in value]
    if isinstance(value, str):
        for form, replacement in ALWAYS_NEW.items():
            value = form.sub(replacement, value)
    return value


def _good(answer: Any) -> Any:
    assert answer.status in (200, 201, 202), answer.body
    return answer.json
