"""Two real replicas, their database and their bus; each test uses its own customers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
from asyncpg.connection import Connection
from websockets.asyncio.client import ClientConnection, connect

from tests.support.api import Api
from tests.support.brokers import ValkeyServer
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.chassis.messaging.bus.base import Bus, Message
from valerix.chassis.messaging.bus.connect import open_bus
from valerix.contracts.events import CONSUMERS, outgoing
from valerix.contracts.ids import new_id
from valerix.notifications.live import CONNECTED

NUMBERS = itertools.count(1)
TIMEOUT_SECONDS = 60.0
MAIL_SECRET, PUBLIC_URL = "a secret of users and notifications", "https://shop.example"
OPERATORS_EMAIL = "shop@valerix.example"
MONEY = {"amountMinor": 129900, "currency": "USD"}


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer.running(tmp_path_factory.mktemp("valkey-notifications")) as server:
        yield server


@pytest.fixture(scope="session")
def stored(postgres: PostgresServer) -> Iterator[str]:
    """URL of the replicas' database."""
    name, url = postgres.fresh_database("notifications")
    yield url
    postgres.drop(name)


@pytest.fixture(scope="session")
def replicas(stored: str, broker: ValkeyServer, identities: Identities) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running(
                    "notifications",
                    identities,
                    instance=f"notifications-{number}",
                    database_url=stored,
                    valkey_url=broker.url,
                    bus_url=broker.url,
                    operators_email=OPERATORS_EMAIL,
                    mail_secret=MAIL_SECRET,
                    public_url=PUBLIC_URL,
                )
            )
            for number in (1, 2)
        ]


@pytest.fixture
async def api(replicas: list[Process], identities: Identities) -> AsyncIterator[Api]:
    """The API of the first replica, as an operator."""
    async with Api.open(replicas[0].url, identities.person("operator")) as api:
        yield api


@pytest.fixture
async def database(stored: str) -> AsyncIterator[Connection]:
    """A connection that reads rows without the API."""
    connection = await asyncpg.connect(stored)
    yield connection
    await connection.close()


@pytest.fixture
async def bus(replicas: list[Process], broker: ValkeyServer) -> AsyncIterator[Bus]:
    async with open_bus(broker.url, "test") as bus:
        for topic, consumers in CONSUMERS.items():
            await bus.declare([topic], consumers)
        yield bus


@pytest.fixture
def customer() -> str:
    return f"CUST-{next(NUMBERS):03}"


def message(source: str, *events: tuple[str, str, int, dict[str, Any]]) -> Message:
    """One batch of (name, subject, sequence, data)."""
    now = datetime.now(UTC)
    published = [
        outgoing(source, name, subject, sequence, now, msgspec.json.encode(data).decode())
        for name, subject, sequence, data in events
    ]
    return Message(source, f"{source}-test-{new_id()}", msgspec.json.encode(published))


def order(customer: str, **changes: Any) -> dict[str, Any]:
    """The data of an order's event."""
    item = {
        "productId": "PROD-001",
        "productName": "Mug",
        "quantity": 2,
        "unitPrice": MONEY,
        "lineTotal": MONEY,
    }
    return {
        "id": new_id(),
        "customerId": customer,
        "status": "confirmed",
        "items": [item],
        "total": MONEY,
        "paymentId": None,
        "onShortage": "hold",
        "errorCode": None,
        "errorMessage": None,
        **changes,
    }


def open_socket(
    process: Process, token: str, after: int | None = None, **more: Any
) -> AbstractAsyncContextManager[ClientConnection]:
    """A WebSocket to one replica."""
    query = "" if after is None else f"?lastEventId={after}"
    headers = {"authorization": f"Bearer {token}"}
    url = f"{process.url.replace('http', 'ws')}/ws{query}"
    return connect(
        url,
        additional_headers=headers,
        **{"proxy": None, "max_queue": None, "open_timeout": TIMEOUT_SECONDS, **more},
    )


async def received(
    socket: ClientConnection, count: int, seconds: float = TIMEOUT_SECONDS
) -> list[dict[str, Any]]:
    """The next `count` messages after the greeting."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            one = msgspec.json.decode(await socket.recv())
            if one["type"] != CONNECTED:
                found.append(one)
    return found


async def greeting(socket: ClientConnection) -> dict[str, Any]:
    first: dict[str, Any] = msgspec.json.decode(
        await asyncio.wait_for(socket.recv(), TIMEOUT_SECONDS)
    )
    assert first["type"] == CONNECTED
    return first


@pytest.fixture
def person(identities: Identities) -> Callable[[str], str]:
    """`person("CUST-001")`: the access token of that customer."""
    return lambda number: identities.person("customer", number, subject=number)
