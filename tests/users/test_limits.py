"""How often somebody may guess, alone and over several replicas."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.brokers import ValkeyServer
from tests.support.identities import Identities
from tests.support.processes import Process, running
from tests.users.conftest import DEMO_PASSWORD
from valerix.users.demo import DOMAIN

LOGIN = "/api/v1/users/login"
RIGHT = {"email": f"ada@{DOMAIN}", "password": DEMO_PASSWORD}
WRONG = RIGHT | {"password": "a wrong one"}
LIMITS = {"guesses_here": 3, "guesses_per_address": 6, "guesses_per_account": 5, "registrations_per_address": 2}


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer.running(tmp_path) as server:
        yield server


@pytest.fixture
def replicas(seeded: str, identities: Identities, valkey: ValkeyServer) -> Iterator[list[Process]]:
    settings = {"database_url": seeded, "valkey_url": valkey.url, "address_limit": 1000, **LIMITS}
    with ExitStack() as stack:
        yield [stack.enter_context(running("users", identities, **settings)) for _ in range(2)]


async def test_who_guesses_too_often_waits_on_every_replica_and_nobody_else_does(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as one, Api.open(replicas[1].url) as other:
        for api in (one, other, one):
            assert (await api.post(LOGIN, WRONG)).status == 401
        for api, body in ((one, WRONG), (other, RIGHT)):
            refused = await api.post(LOGIN, body)
            assert (refused.status, refused.json["code"]) == (429, "rate_limited")
            assert 0 < int(refused.headers["retry-after"]) <= 200
            assert refused.headers["ratelimit-policy"] == '"sign-in";q=3;w=600'
            assert refused.headers["ratelimit"] == f'"sign-in";r=0;t={refused.headers["retry-after"]}'
        assert (await one.post(LOGIN, RIGHT, x_forwarded_for="203.0.113.7")).status == 200, "the owner is elsewhere"
        assert (await one.post(LOGIN, RIGHT | {"email": f"grace@{DOMAIN}"})).status == 200, "somebody else is not"


async def test_many_accounts_from_one_address_and_one_account_from_many(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as api:
        statuses = [(await api.post(LOGIN, WRONG | {"email": f"{n}@{DOMAIN}"})).status for n in range(8)]
        assert statuses == [401] * 6 + [429] * 2
        statuses = [(await api.post(LOGIN, WRONG, x_forwarded_for=f"203.0.113.{n}")).status for n in range(7)]
        assert statuses == [401] * 5 + [429] * 2


async def test_the_right_password_is_not_counted(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as api:
        assert {(await api.post(LOGIN, RIGHT)).status for _ in range(8)} == {200}


async def test_registrations_are_counted(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as api:
        statuses = [
            (
                await api.post(
                    "/api/v1/users/register",
                    {"name": "N", "email": f"new{n}@example.com", "password": "orbital mechanics"},
                )
            ).status
            for n in range(3)
        ]
    assert statuses == [201, 201, 429]


async def test_without_valkey_each_replica_counts_for_itself(replicas: list[Process], valkey: ValkeyServer) -> None:
    valkey.kill()
    for process in replicas:
        async with Api.open(process.url) as api:
            assert [(await api.post(LOGIN, WRONG)).status for _ in range(4)] == [401, 401, 401, 429]
            assert (await api.post(LOGIN, RIGHT, x_forwarded_for="203.0.113.7")).status == 200
