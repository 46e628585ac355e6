"""Limits of password guesses, in one replica and over several."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from redis.asyncio import Redis

from tests.support.api import Answer, Api
from tests.support.brokers import ValkeyServer
from tests.support.cookies import Browser
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.processes import Process, running
from tests.users.conftest import DEMO_PASSWORD
from valerix.users.demo import DOMAIN

LOGIN = "/api/v1/users/login"
REGISTER = "/api/v1/users/register"
RIGHT = {"email": f"ada@{DOMAIN}", "password": DEMO_PASSWORD}
WRONG = RIGHT | {"password": "a wrong one"}
LIMITS = {
    "guesses_here": 3,
    "guesses_per_address": 6,
    "guesses_per_account": 5,
    "guesses_per_device": 4,
    "registrations_per_address": 2,
    "conflicts_per_address": 2,
}


@contextmanager
def pair(
    database_url: str, identities: Identities, valkey: ValkeyServer
) -> Iterator[list[Process]]:
    settings = {
        "database_url": database_url,
        "valkey_url": valkey.url,
        "address_limit": 1000,
        **LIMITS,
    }
    with ExitStack() as stack:
        yield [stack.enter_context(running("users", identities, **settings)) for _ in range(2)]


@pytest.fixture(scope="module")
def counters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer.running(tmp_path_factory.mktemp("counters")) as server:
        yield server


@pytest.fixture(scope="module")
def processes(
    users_url: str, identities: Identities, counters: ValkeyServer
) -> Iterator[list[Process]]:
    with pair(users_url, identities, counters) as processes:
        yield processes


@pytest.fixture
async def replicas(seeded: str, processes: list[Process], counters: ValkeyServer) -> list[Process]:
    """The replicas, with empty counters."""
    async with Redis.from_url(counters.url) as client:
        await client.flushall()
    return processes


async def test_who_guesses_too_often_waits_on_every_replica_and_nobody_else_does(
    replicas: list[Process],
) -> None:
    async with Api.open(replicas[0].url) as one, Api.open(replicas[1].url) as other:
        for api in (one, other, one):
            assert (await api.post(LOGIN, WRONG)).status == 401
        for api, body in ((one, WRONG), (other, RIGHT)):
            refused = await api.post(LOGIN, body)
            assert (refused.status, refused.json["code"]) == (429, "rate_limited")
            assert 0 < int(refused.headers["retry-after"]) <= 200
            assert refused.headers["ratelimit-policy"] == '"sign-in";q=3;w=600'
            assert (
                refused.headers["ratelimit"] == f'"sign-in";r=0;t={refused.headers["retry-after"]}'
            )
        assert (await one.post(LOGIN, RIGHT, x_forwarded_for="203.0.113.7")).status == 200, (
            "the owner is elsewhere"
        )
        assert (await one.post(LOGIN, RIGHT | {"email": f"grace@{DOMAIN}"})).status == 200, (
            "others are not limited"
        )


async def test_many_accounts_from_one_address_and_one_account_from_many(
    replicas: list[Process],
) -> None:
    async with Api.open(replicas[0].url) as api:
        statuses = [
            (await api.post(LOGIN, WRONG | {"email": f"{n}@{DOMAIN}"})).status for n in range(8)
        ]
        assert statuses == [401] * 6 + [429] * 2
        statuses = [
            (await api.post(LOGIN, WRONG, x_forwarded_for=f"203.0.113.{n}")).status
            for n in range(7)
        ]
        assert statuses == [401] * 5 + [429] * 2


async def test_a_device_that_signed_in_before_gets_in_while_others_guess(
    replicas: list[Process],
) -> None:
    async with Api.open(replicas[0].url) as one, Api.open(replicas[1].url) as other:
        device = {"deviceToken": (await one.post(LOGIN, RIGHT)).json["deviceToken"]}
        browser = await Browser(one).sign_in(RIGHT["email"], RIGHT["password"])
        grace = {
            "deviceToken": (await one.post(LOGIN, RIGHT | {"email": f"grace@{DOMAIN}"})).json[
                "deviceToken"
            ]
        }
        statuses = [
            (await one.post(LOGIN, WRONG, x_forwarded_for=f"203.0.113.{n}")).status
            for n in range(7)
        ]
        assert statuses == [401] * 5 + [429] * 2
        assert (await other.post(LOGIN, RIGHT, x_forwarded_for="203.0.113.99")).status == 429, (
            "from elsewhere"
        )
        assert (
            await other.post(LOGIN, RIGHT | device, x_forwarded_for="203.0.113.99")
        ).status == 200
        await browser.sign_in(RIGHT["email"], RIGHT["password"])
        assert browser.set["valerix_device"]["httponly"]
        forged = {"deviceToken": device["deviceToken"][:-2] + "xx"}
        for token in (
            grace,
            forged,
            {"deviceToken": "ffffffff-ffff-7fff-8fff-ffffffffffff.x"},
            {"deviceToken": "~"},
        ):
            assert (
                await one.post(LOGIN, RIGHT | token, x_forwarded_for="203.0.113.98")
            ).status == 429

        statuses = [(await other.post(LOGIN, WRONG | device)).status for _ in range(5)]
        assert statuses == [401] * 4 + [429], "guesses from a known device are counted as well"


async def test_a_browser_remembers_each_of_its_accounts(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as api:
        browser = Browser(api)
        for name in ("ada", "grace", "alan", "ada"):
            await browser.sign_in(f"{name}@{DOMAIN}", DEMO_PASSWORD)
        assert len(browser.jar["valerix_device"].split("~")) == 3
        for n in range(7):
            await api.post(
                LOGIN, WRONG | {"email": f"grace@{DOMAIN}"}, x_forwarded_for=f"203.0.113.{n}"
            )
        await browser.sign_in(f"grace@{DOMAIN}", DEMO_PASSWORD)


async def test_an_owner_elsewhere_is_slowed_and_gets_in(
    seeded: str, identities: Identities, valkey: ValkeyServer
) -> None:
    settings = {"database_url": seeded, "valkey_url": valkey.url, "guesses_per_account": 3600}
    with running("users", identities, **settings) as process:
        async with Api.open(process.url) as api:
            refused: list[Answer] = []
            for n in range(126):
                answer = await api.post(LOGIN, WRONG, x_forwarded_for=f"203.0.113.{n % 6}")
                refused += [answer] if answer.status == 429 else []
            assert refused, "the account is under attack"
            assert max(int(answer.headers["retry-after"]) for answer in refused) <= 30

            async def get_in() -> bool:
                answer = await api.post(LOGIN, RIGHT, x_forwarded_for="203.0.113.7")
                assert answer.status == 200 or int(answer.headers["retry-after"]) <= 30
                await api.post(LOGIN, WRONG, x_forwarded_for="203.0.113.1")
                return answer.status == 200

            await eventually(get_in)


async def test_the_right_password_is_not_counted(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as api:
        assert {(await api.post(LOGIN, RIGHT)).status for _ in range(8)} == {200}


async def test_registrations_are_counted(replicas: list[Process]) -> None:
    async with Api.open(replicas[0].url) as api:
        statuses = [
            (
                await api.post(
                    REGISTER,
                    {"name": "N", "email": f"new{n}@example.com", "password": "orbital mechanics"},
                )
            ).status
            for n in range(3)
        ]
    assert statuses == [201, 201, 429]


async def test_accounts_cannot_be_enumerated(replicas: list[Process]) -> None:
    async with (
        Api.open(replicas[0].url) as one,
        Api.open(
            replicas[1].url,
        ) as other,
    ):
        ada = await one.post(LOGIN, RIGHT)
        me, token = f"/api/v1/users/{ada.json['user']['id']}", ada.json["accessToken"]

        async def move(api: Api, email: str) -> int:
            body = {"name": "Ada", "email": email, "currentPassword": DEMO_PASSWORD}
            return (await api.call("PUT", me, body, token=token)).status

        taken, free = f"grace@{DOMAIN}", "free@example.com"
        new = {"name": "N", "password": "orbital mechanics"}
        assert (await one.post(REGISTER, new | {"email": taken})).status == 409
        assert await move(other, taken) == 409
        assert [await move(one, taken), await move(one, free)] == [429, 429], (
            "it does not show which is taken"
        )
        assert await move(one, RIGHT["email"]) == 200, "the name alone is changed"
        assert (await other.post(REGISTER, new | {"email": "new@example.com"})).status == 429
        elsewhere = await other.post(
            REGISTER, new | {"email": taken}, x_forwarded_for="2001:db8:0:1::1"
        )
        assert elsewhere.status == 409


async def test_addresses_that_are_free_are_not_counted_as_conflicts(
    replicas: list[Process],
) -> None:
    async with Api.open(replicas[0].url) as api:
        ada = await api.post(LOGIN, RIGHT)
        me, token = f"/api/v1/users/{ada.json['user']['id']}", ada.json["accessToken"]
        for n in range(4):
            body = {"name": "Ada", "email": f"ada{n}@example.com", "currentPassword": DEMO_PASSWORD}
            assert (await api.call("PUT", me, body, token=token)).status == 200


async def test_without_valkey_each_replica_counts_for_itself(
    seeded: str, identities: Identities, valkey: ValkeyServer
) -> None:
    with pair(seeded, identities, valkey) as replicas:
        valkey.kill()
        for process in replicas:
            async with Api.open(process.url) as api:
                assert [(await api.post(LOGIN, WRONG)).status for _ in range(4)] == [
                    401,
                    401,
                    401,
                    429,
                ]
                assert (await api.post(LOGIN, RIGHT, x_forwarded_for="203.0.113.7")).status == 200
