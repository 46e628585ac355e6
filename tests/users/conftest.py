"""A real users service on a database of its own, with the demo accounts in it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.support.api import Api
from tests.support.brokers import ValkeyServer
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, prepare, running, started
from tests.support.quick_hashes import quick_hashes
from valerix.users import demo, passwords

DEMO_PASSWORD = "demo password 1"
UNLIMITED = dict.fromkeys(
    (
        "guesses_here",
        "guesses_per_address",
        "guesses_per_account",
        "guesses_per_device",
        "registrations_per_address",
        "conflicts_per_address",
        "mails_per_account",
        "mails_per_address",
    ),
    0,
)
"""Settings without limits: tests guess many passwords, and limits have tests of their own."""


@pytest.fixture(scope="session")
def users_url(postgres: PostgresServer) -> Iterator[str]:
    name, url = postgres.fresh_database("users")
    yield url
    postgres.drop(name)


@pytest.fixture(scope="session")
def service(users_url: str, identities: Identities) -> Iterator[Process]:
    """One process for all tests of this folder. Its rows are new for each test (see `seeded`)."""
    with running("users", identities, database_url=users_url, **UNLIMITED) as process:
        yield process


@pytest.fixture
async def empty(users_url: str) -> str:
    connection = await asyncpg.connect(users_url)
    await connection.execute("TRUNCATE users, user_events, sessions, refresh_tokens, mail_tokens")
    await connection.execute("ALTER SEQUENCE customer_numbers RESTART")
    await connection.close()
    return users_url


@pytest.fixture
async def seeded(empty: str) -> str:
    with quick_hashes():
        await demo.seed(empty, demo_password=DEMO_PASSWORD, admin_password="unused here", demo=True)
    return empty


@pytest.fixture
async def api(service: Process, seeded: str) -> AsyncIterator[Api]:
    async with Api.open(service.url) as api:
        yield api


@pytest.fixture
def costly_service(users_url: str, identities: Identities) -> Iterator[Process]:
    """A process whose checks of passwords cost what they cost in the product."""
    process = prepare("users", identities, database_url=users_url, **UNLIMITED)
    process.quick_hashes = False
    with started(process):
        yield process


@pytest.fixture
async def costly_api(costly_service: Process, database: Connection) -> AsyncIterator[Api]:
    costly = passwords.hash_password(DEMO_PASSWORD)
    await database.execute("UPDATE users SET password_hash = $1", costly)
    async with Api.open(costly_service.url) as api:
        yield api


@pytest.fixture
async def database(seeded: str) -> AsyncIterator[Connection]:
    """A connection for reading rows without the API."""
    connection = await asyncpg.connect(seeded)
    yield connection
    await connection.close()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer.running(tmp_path) as server:
        yield server


async def login(api: Api, name: str, password: str = DEMO_PASSWORD) -> str:
    """An access token of a demo account."""
    answer = await api.post(
        "/api/v1/users/login", {"email": f"{name}@{demo.DOMAIN}", "password": password}
    )
    assert answer.status == 200, answer.body
    token: str = answer.json["accessToken"]
    return token
