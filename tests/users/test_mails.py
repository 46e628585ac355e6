"""Confirming addresses and setting new passwords by mail."""

import json
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.support.api import Answer, Api
from tests.support.brokers import ValkeyServer
from tests.support.eventually import eventually, eventually_equal
from tests.support.identities import Identities
from tests.support.processes import Process, running
from tests.users.conftest import DEMO_PASSWORD, UNLIMITED, login
from valerix.contracts.mails import mail_token
from valerix.users.demo import DOMAIN

SECRET = "a secret of users and notifications"
ADA = f"ada@{DOMAIN}"
FORGOT, RESET, CONFIRM = (
    f"/api/v1/users/{path}" for path in ("password/forgot", "password/reset", "email/confirm")
)
CONFIRMATION = "/api/v1/users/me/email/confirmation"
NEW = "orbital mechanics"


@pytest.fixture(scope="module")
def mailing(users_url: str, identities: Identities) -> Iterator[Process]:
    """A service that requests mails."""
    with running(
        "users", identities, database_url=users_url, mail_secret=SECRET, **UNLIMITED
    ) as process:
        yield process


@pytest.fixture
async def api(mailing: Process, seeded: str) -> AsyncIterator[Api]:
    async with Api.open(mailing.url) as api:
        yield api


async def requested(database: Connection, email: str = ADA) -> list[tuple[str, str]]:
    """Each requested mail: its event, and its token as notifications makes it."""
    rows = await database.fetch(
        """
        SELECT e.type, e.user_id || ':' || e.version AS id
        FROM user_events e JOIN users u ON u.id = e.user_id
        WHERE u.email = $1 AND e.type LIKE 'account.%' ORDER BY e.version
        """,
        email,
    )
    return [(row["type"], mail_token(SECRET, row["id"])) for row in rows]


async def token_of(database: Connection, kind: str, email: str = ADA) -> str:
    """The token of the newest mail of this kind."""

    async def look() -> list[str]:
        return [
            token for name, token in await requested(database, email) if name == f"account.{kind}"
        ]

    return (await eventually(look))[-1]


async def actions(database: Connection) -> list[str]:
    rows = await database.fetch(
        """
        SELECT action FROM audit a JOIN users u ON a.subject = u.id::text
        WHERE u.email = $1 ORDER BY a.id
        """,
        ADA,
    )
    return [row["action"] for row in rows]


async def reset(api: Api, token: str, new: str = NEW) -> Answer:
    return await api.post(RESET, {"token": token, "newPassword": new})


async def test_a_forgotten_password_is_set_anew_once_and_every_session_ends(
    api: Api, database: Connection
) -> None:
    old = await login(api, "ada")
    device_secret = await database.fetchval("SELECT device_secret FROM users WHERE email = $1", ADA)
    assert (await api.post(FORGOT, {"email": ADA.upper()})).status == 202
    token = await token_of(database, "reset_requested")

    easy = await reset(api, token, "ada lovelace 1815")
    assert (easy.status, easy.json["errors"][0]["pointer"]) == (400, "/newPassword")
    assert (await reset(api, token)).status == 204
    assert (await api.get("/api/v1/users/me", token=old)).status == 401
    assert (
        await api.post("/api/v1/users/login", {"email": ADA, "password": DEMO_PASSWORD})
    ).status == 401
    again = await reset(api, token, "another passphrase")
    assert (again.status, again.json["code"]) == (422, "mail_token_refused")
    await login(api, "ada", NEW)
    assert {"password.reset_requested", "password.reset"} <= set(await actions(database))
    assert await database.fetchval("SELECT email_confirmed FROM users WHERE email = $1", ADA)
    known = await database.fetchval("SELECT device_secret FROM users WHERE email = $1", ADA)
    assert known != device_secret, "former devices are forgotten"


async def test_an_unknown_address_is_answered_like_a_known_one(
    api: Api, database: Connection
) -> None:
    known, unknown = [
        await api.post(FORGOT, {"email": email}) for email in (ADA, "nobody@example.com")
    ]
    hidden = {"trace-id", "date"}
    assert (
        (known.status, known.json) == (unknown.status, unknown.json) == (202, {"expiresIn": 1800})
    )
    assert {k: v for k, v in known.headers.items() if k not in hidden} == {
        k: v for k, v in unknown.headers.items() if k not in hidden
    }
    await token_of(database, "reset_requested")


async def test_a_token_is_good_for_half_an_hour_and_for_its_purpose(
    api: Api, database: Connection
) -> None:
    await api.post(FORGOT, {"email": ADA})
    token = await token_of(database, "reset_requested")
    assert (await api.post(CONFIRM, {"token": token})).status == 422
    left = "SELECT extract(epoch FROM expires_at - now()) FROM mail_tokens"
    assert 1700 < await database.fetchval(left) <= 1800
    await database.execute("UPDATE mail_tokens SET expires_at = now()")
    for bad in (token, "", "nonsense"):
        assert (await reset(api, bad)).status == 422


async def test_tokens_are_stored_hashed_and_in_no_event(api: Api, database: Connection) -> None:
    await api.post(FORGOT, {"email": ADA})
    token = await token_of(database, "reset_requested")
    for table in ("users", "user_events", "mail_tokens", "audit"):
        rows = f"SELECT string_agg(t::text, '') FROM {table} t"  # noqa: S608 - own names
        everything = await database.fetchval(rows)
        assert token not in everything


async def test_who_registers_confirms_the_address(api: Api, database: Connection) -> None:
    email = "new@example.com"
    made = await api.post("/api/v1/users/register", {"name": "N", "email": email, "password": NEW})
    assert (made.status, made.json["version"], made.headers["etag"]) == (201, 2, '"2"')
    token = await token_of(database, "confirmation_requested", email)
    assert not await database.fetchval("SELECT email_confirmed FROM users WHERE email = $1", email)
    assert made.json["emailConfirmed"] is False
    assert [(await api.post(CONFIRM, {"token": token})).status for _ in range(2)] == [204, 422]
    signed_in = await api.post("/api/v1/users/login", {"email": email, "password": NEW})
    me = signed_in.json["user"]
    assert (me["emailConfirmed"], me["version"]) == (True, 3)
    (told,) = await database.fetch(
        "SELECT type, data FROM user_events WHERE user_id = $1 AND version = 3", me["id"]
    )
    assert (told["type"], json.loads(told["data"])) == ("customer.updated", me)


async def test_another_address_is_not_confirmed_and_mails_to_the_old_one_are_void(
    api: Api, database: Connection
) -> None:
    token = await login(api, "ada")
    me = (await api.get("/api/v1/users/me", token=token)).json
    assert (await api.post(CONFIRMATION, {}, token=token)).status == 202
    old = await token_of(database, "confirmation_requested")
    await api.post(FORGOT, {"email": ADA})
    forgotten = await token_of(database, "reset_requested")
    moved = {"name": me["name"], "email": "moved@example.com", "currentPassword": DEMO_PASSWORD}
    assert (await api.call("PUT", f"/api/v1/users/{me['id']}", moved, token=token)).status == 200
    assert (await api.post(CONFIRM, {"token": old})).status == 422
    assert (await reset(api, forgotten)).status == 422
    new = await token_of(database, "confirmation_requested", "moved@example.com")
    assert (await api.post(CONFIRM, {"token": new})).status == 204


async def test_the_address_of_before_is_told_of_the_change(api: Api, database: Connection) -> None:
    token = await login(api, "ada")
    me = (await api.get("/api/v1/users/me", token=token)).json
    named = {"name": "Ada Byron", "email": ADA}
    assert (await api.call("PUT", f"/api/v1/users/{me['id']}", named, token=token)).status == 200
    moved = {"name": me["name"], "email": "moved@example.com", "currentPassword": DEMO_PASSWORD}
    assert (await api.call("PUT", f"/api/v1/users/{me['id']}", moved, token=token)).status == 200
    (told,) = await database.fetch(
        "SELECT data FROM user_events WHERE type = 'account.email_changed'"
    )
    data = json.loads(told["data"])
    assert (data["formerEmail"], data["email"], data["emailConfirmed"]) == (
        ADA,
        "moved@example.com",
        False,
    )


async def test_suspended_staff_are_sent_none(api: Api, database: Connection) -> None:
    await database.execute("UPDATE users SET status = 'suspended' WHERE role = 'operator'")
    await api.post(FORGOT, {"email": f"operator@{DOMAIN}"})
    await api.post(FORGOT, {"email": ADA})
    await token_of(database, "reset_requested")
    assert await requested(database, f"operator@{DOMAIN}") == []


async def test_mails_are_bounded_and_an_account_is_not_told_by_that(
    seeded: str, identities: Identities, valkey: ValkeyServer, database: asyncpg.Connection
) -> None:
    settings = {"database_url": seeded, "valkey_url": valkey.url, "mail_secret": SECRET}
    with running(
        "users", identities, **settings, mails_per_account=2, mails_per_address=4
    ) as process:
        async with Api.open(process.url) as api:
            assert [(await api.post(FORGOT, {"email": ADA})).status for _ in range(5)] == [
                202
            ] * 4 + [429]
            other = await api.post(
                FORGOT, {"email": f"grace@{DOMAIN}"}, x_forwarded_for="203.0.113.7"
            )
            assert other.status == 202
            await token_of(database, "reset_requested", f"grace@{DOMAIN}")
            await eventually_equal(lambda: count(database), 2)
            token = await login(api, "ada")
            assert (await api.post(CONFIRMATION, {}, token=token)).status == 429


async def count(database: Connection) -> int:
    return len(await requested(database))


async def test_without_the_secret_no_mail_is_asked_for(service: Process, seeded: str) -> None:
    async with Api.open(service.url) as api:
        assert (await api.post(FORGOT, {"email": ADA})).status == 503
