"""Signing keys are replaced while everything runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest

from tests.support.api import Api
from tests.support.commands import run
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from tests.users.conftest import DEMO_PASSWORD, UNLIMITED
from valerix.launcher.credentials import Credentials
from valerix.launcher.keys import make_keys, published_keys, rotate_keys
from valerix.launcher.topology import ISSUERS
from valerix.users.demo import DOMAIN

OPERATOR = {"email": f"operator@{DOMAIN}", "password": DEMO_PASSWORD}
PAYMENTS = "/api/v1/payments"


class House(NamedTuple):
    credentials: Credentials
    users: Process
    payments: Process


@pytest.fixture
def house(
    seeded: str, identities: Identities, postgres: PostgresServer, tmp_path: Path
) -> Iterator[House]:
    credentials = Credentials(tmp_path)
    make_keys(credentials)
    name, url = postgres.fresh_database("payments")

    def keys(issuer: str) -> dict[str, Path]:
        return {
            "keys_file": credentials.keys_file,
            "signing_key_file": credentials.signing_key_file(issuer),
        }

    away = dict.fromkeys(("psp_url", "orders_url"), "http://127.0.0.1:1")
    settings: dict[str, Any] = {**away, "database_url": url, "psp_secret": "unused"}
    with (
        running("users", identities, database_url=seeded, **keys("users"), **UNLIMITED) as users,
        running(
            "payments", identities, users_url=users.url, **settings, **keys("payments")
        ) as payments,
    ):
        yield House(credentials, users, payments)
    postgres.drop(name)


async def sign_in(users: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await users.post("/api/v1/users/login", OPERATOR)).json
    return found


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_new_keys_sign_nobody_out(house: House) -> None:
    async with Api.open(house.users.url) as users, Api.open(house.payments.url) as payments:
        before = await sign_in(users)
        old = rotate_keys(house.credentials, ISSUERS, distrust=False)
        assert kid(before["accessToken"]) in old

        async def signs_anew() -> dict[str, Any] | None:
            answer = await sign_in(users)
            return None if kid(answer["accessToken"]) in old else answer

        after = await eventually(signs_anew, 60)
        assert after is not None
        for api, path in ((users, "/api/v1/users/me"), (payments, PAYMENTS)):
            for one in (before, after):
                assert (await api.get(path, token=one["accessToken"])).status == 200

        await users.call("POST", "/api/v1/users/logout", token=after["accessToken"])

        async def refused() -> bool:
            return (await payments.get(PAYMENTS, token=after["accessToken"])).status == 401

        assert await eventually(refused, 60), "services trust the new keys of one another as well"


async def test_a_key_that_leaked_is_refused_and_sessions_go_on(house: House) -> None:
    async with Api.open(house.users.url) as users, Api.open(house.payments.url) as payments:
        before = await sign_in(users)
        assert (await payments.get(PAYMENTS, token=before["accessToken"])).status == 200
        rotate_keys(house.credentials, ["users"], distrust=True)

        async def refused() -> bool:
            return (await payments.get(PAYMENTS, token=before["accessToken"])).status == 401

        assert await eventually(refused, 60)

        async def refreshed() -> bool:
            nonlocal before
            before = (
                await users.post("/api/v1/users/refresh", {"refreshToken": before["refreshToken"]})
            ).json
            return (await payments.get(PAYMENTS, token=before["accessToken"])).status == 200

        assert await eventually(refreshed, 60)


def test_an_old_key_is_published_until_nothing_it_signed_can_be_valid(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    make_keys(credentials)
    first = {jwk["kid"] for jwk in published_keys(credentials)}
    rotate_keys(credentials, ["users", "orders"], distrust=False)
    make_keys(credentials)  # as a start of the stack does
    assert first < {jwk["kid"] for jwk in published_keys(credentials)}
    long_ago = [{**jwk, "retired": "2020-01-01T00:00:00+00:00"} if "retired" in jwk else jwk
                for jwk in published_keys(credentials)]  # fmt: skip
    credentials.keys_file.write_text(json.dumps({"keys": long_ago}))
    make_keys(credentials)
    kept = {jwk["kid"] for jwk in published_keys(credentials)}
    assert len(kept) == len(ISSUERS)
    assert len(kept & first) == len(ISSUERS) - 2


def test_the_command_lists_and_rotates_and_makes_no_stack(tmp_path: Path) -> None:
    place = ("--data-dir", str(tmp_path / "stack"))
    assert run("keys", "rotate", *place).returncode == 1
    assert not (tmp_path / "stack").exists()
    make_keys(Credentials(tmp_path / "stack"))
    done = run("keys", "rotate", "--issuer", "orders", *place)
    assert (done.returncode, done.stdout.count("accepted for another hour")) == (0, 1), done.stderr
    assert run("keys", "rotate", "--issuer", "nobody", *place).returncode == 2
    listed = json.loads(run("keys", "list", "--json", *place).stdout)
    assert [key["kid"].rsplit(":", 1)[0] for key in listed if key["retiredAt"]] == [
        "valerix:orders"
    ]
    assert "signs" in run("keys", "list", *place).stdout
