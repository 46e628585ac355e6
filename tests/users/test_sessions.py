"""Staying signed in and signing out.

Refresh tokens, cookies, the list of sessions, and revocation in every service.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asyncpg.connection import Connection

from tests.support.api import Answer, Api
from tests.support.cookies import Browser
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from tests.users.conftest import DEMO_PASSWORD, login
from valerix.chassis.calls.revocations import POLL_SECONDS
from valerix.contracts.revocations import LIST_REVOKED
from valerix.users.demo import DOMAIN

LOGIN, REFRESH, LOGOUT = "/api/v1/users/login", "/api/v1/users/refresh", "/api/v1/users/logout"
ME, SESSIONS = "/api/v1/users/me", "/api/v1/users/me/sessions"
PAYMENTS = "/api/v1/payments"
NO_ID = "0199d1c2-0000-7000-8000-00000000ffff"
RACES = 500


async def sign_in(api: Api, name: str = "ada", **more: str) -> dict[str, Any]:
    answer = await api.post(LOGIN, {"email": f"{name}@{DOMAIN}", "password": DEMO_PASSWORD, **more})
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.json
    return body


async def refresh(api: Api, token: str) -> Answer:
    return await api.post(REFRESH, {"refreshToken": token})


# --- refresh tokens


async def test_a_refresh_token_buys_new_tokens_of_the_same_session(api: Api) -> None:
    first = await sign_in(api)
    second = await refresh(api, first["refreshToken"])
    assert second.status == 200
    assert second.headers["cache-control"] == "no-store"
    assert second.json["user"] == first["user"]
    assert second.json["refreshToken"] != first["refreshToken"]
    listed = await api.get(SESSIONS, token=second.json["accessToken"])
    assert [session["current"] for session in listed.json["items"]] == [True]
    assert (await refresh(api, second.json["refreshToken"])).status == 200


async def test_using_a_refresh_token_twice_ends_the_session_for_everybody(api: Api) -> None:
    first = await sign_in(api)
    second = (await refresh(api, first["refreshToken"])).json
    other = await sign_in(api)

    again = await refresh(api, first["refreshToken"])
    assert (again.status, again.json["code"]) == (401, "refresh_refused")
    assert (await refresh(api, second["refreshToken"])).status == 401
    assert (await api.get(ME, token=second["accessToken"])).status == 401
    assert (await api.get(ME, token=other["accessToken"])).status == 200, (
        "another session is not affected"
    )


async def test_of_two_who_use_one_token_at_once_one_wins_and_the_session_ends(
    api: Api, database: Connection
) -> None:
    token = (await sign_in(api))["refreshToken"]
    for _ in range(RACES):
        answers = await asyncio.gather(refresh(api, token), refresh(api, token))
        assert sorted(answer.status for answer in answers) == [200, 401]
        (won,) = [answer.json for answer in answers if answer.status == 200]
        assert (await refresh(api, won["refreshToken"])).status == 401
        assert (await api.get(ME, token=won["accessToken"])).status == 401
        # The next round's session: opening it by sign-in would cost two hundred times as much.
        await database.execute("UPDATE sessions SET revoked_at = NULL, revoked_for = NULL")
        await database.execute("DELETE FROM refresh_tokens WHERE used_at IS NOT NULL")
        token = won["refreshToken"]


async def test_nonsense_is_refused_like_a_used_token(api: Api) -> None:
    for body in ({"refreshToken": "nonsense"}, {"refreshToken": ""}):
        refused = await api.post(REFRESH, body)
        assert (refused.status, refused.json["code"]) == (401, "refresh_refused")
    assert (await api.call("POST", REFRESH)).status == 401
    assert (await api.post(REFRESH, {"refreshToken": "x" * 101})).status == 400


async def test_the_database_holds_no_token_anybody_could_use(
    api: Api, database: Connection
) -> None:
    token = (await sign_in(api))["refreshToken"]
    assert len(token) >= 43
    (row,) = await database.fetch("SELECT hash FROM refresh_tokens")
    assert len(row["hash"]) == 32
    assert token.encode() not in row["hash"]


async def test_a_session_that_was_not_used_for_long_is_over(api: Api, database: Connection) -> None:
    token = (await sign_in(api))["refreshToken"]
    await database.execute("UPDATE sessions SET expires_at = now()")
    assert (await refresh(api, token)).status == 401


async def test_no_session_outlives_its_longest_life_however_often_it_is_refreshed(
    api: Api, database: Connection
) -> None:
    token = (await sign_in(api))["refreshToken"]
    await database.execute("UPDATE sessions SET created_at = now() - interval '29 days'")
    await refresh(api, token)
    left = await database.fetchval(
        "SELECT extract(epoch FROM expires_at - now())::float8 FROM sessions"
    )
    assert left == pytest.approx(86400, abs=60)


# --- signing out


async def test_who_signs_out_is_out_at_once(api: Api) -> None:
    gone, other = await sign_in(api), await sign_in(api)
    assert (await api.call("POST", LOGOUT, token=gone["accessToken"])).status == 204
    assert (await api.get(ME, token=gone["accessToken"])).status == 401
    assert (await refresh(api, gone["refreshToken"])).status == 401
    assert (await api.get(ME, token=other["accessToken"])).status == 200


async def test_a_user_sees_their_devices_and_ends_one(api: Api) -> None:
    here = await sign_in(api)
    there = await api.post(
        LOGIN,
        {"email": f"ada@{DOMAIN}", "password": DEMO_PASSWORD},
        user_agent="Lovelace/1.0",
        x_forwarded_for="198.51.100.9, 203.0.113.7",
    )
    listed = (await api.get(SESSIONS, token=here["accessToken"])).json["items"]
    (other,) = [session for session in listed if not session["current"]]
    assert (other["userAgent"], other["address"], other["kind"]) == (
        "Lovelace/1.0",
        "203.0.113.7",
        "token",
    )
    assert len(listed) == 2

    mallory = await login(api, "mallory")
    assert (await api.call("DELETE", f"{SESSIONS}/{other['id']}", token=mallory)).status == 404
    assert (
        await api.call("DELETE", f"{SESSIONS}/{other['id']}", token=here["accessToken"])
    ).status == 204
    assert (await api.get(ME, token=there.json["accessToken"])).status == 401
    assert (
        await api.call("DELETE", f"{SESSIONS}/{other['id']}", token=here["accessToken"])
    ).status == 404
    assert (await api.get(ME, token=here["accessToken"])).status == 200


async def test_a_user_signs_out_everywhere_else(api: Api) -> None:
    here, there = await sign_in(api), await sign_in(api)
    assert (await api.call("DELETE", SESSIONS, token=here["accessToken"])).status == 204
    assert (await api.get(ME, token=there["accessToken"])).status == 401
    assert (await api.get(ME, token=here["accessToken"])).status == 200


async def test_an_administrator_sees_and_ends_anybodys_sessions(api: Api) -> None:
    admin, ada = await login(api, "admin"), await sign_in(api)
    path = f"/api/v1/users/{ada['user']['id']}/sessions"
    assert (await api.get(path, token=ada["accessToken"])).status == 403
    (session,) = (await api.get(path, token=admin)).json["items"]
    assert (await api.call("DELETE", f"{path}/{session['id']}", token=admin)).status == 204
    assert (await api.get(ME, token=ada["accessToken"])).status == 401
    ada = await sign_in(api)
    assert (await api.call("DELETE", path, token=admin)).status == 204
    assert (await api.get(ME, token=ada["accessToken"])).status == 401


async def test_a_suspension_ends_every_session(api: Api) -> None:
    admin, ada = await login(api, "admin"), await sign_in(api)
    path = f"/api/v1/users/{ada['user']['id']}/status"
    await api.call("PUT", path, {"status": "suspended"}, token=admin)
    assert (await api.get(ME, token=ada["accessToken"])).status == 401
    assert (await refresh(api, ada["refreshToken"])).status == 401


# --- browsers


@pytest.fixture
async def browser(api: Api) -> Browser:
    return await Browser(api).sign_in(f"ada@{DOMAIN}", DEMO_PASSWORD)


async def test_scripts_can_read_none_of_the_tokens(browser: Browser) -> None:
    access, kept, csrf = (browser.set[f"valerix_{name}"] for name in ("access", "refresh", "csrf"))
    assert [one["samesite"] for one in (access, kept, csrf)] == ["strict"] * 3
    assert all(one["secure"] for one in (access, kept, csrf))
    assert [bool(one["httponly"]) for one in (access, kept, csrf)] == [True, True, False]
    assert [one["path"] for one in (access, kept, csrf)] == ["/", "/api/v1/users", "/"]
    assert access["max-age"] == "600"


async def test_a_browser_reads_by_cookie_and_changes_only_with_the_csrf_token(
    browser: Browser,
) -> None:
    assert (await browser.call("GET", ME)).json["name"] == "Ada Lovelace"
    for headers in ({}, {"x_csrf_token": "guessed"}, {"x_csrf_token": ""}):
        refused = await browser.call("DELETE", SESSIONS, **headers)
        assert (refused.status, refused.json["code"]) == (403, "csrf_token_missing")
    assert (await browser.call("DELETE", SESSIONS, **browser.csrf)).status == 204


async def test_a_bearer_token_outweighs_the_cookie(browser: Browser, api: Api) -> None:
    grace = await login(api, "grace")
    assert (await browser.call("GET", ME, authorization=f"Bearer {grace}")).json[
        "name"
    ] == "Grace Hopper"
    assert (await browser.call("GET", ME, authorization="Bearer nonsense")).status == 401


async def test_a_programs_token_in_a_cookie_changes_nothing(api: Api) -> None:
    token = (await sign_in(api))["accessToken"]
    refused = await api.call(
        "DELETE", SESSIONS, cookie=f"valerix_access={token}", x_csrf_token="anything"
    )
    assert (refused.status, refused.json["code"]) == (403, "csrf_token_missing")


async def test_a_browser_refreshes_by_cookie_with_the_csrf_token(browser: Browser) -> None:
    before = dict(browser.jar)
    assert (await browser.call("POST", REFRESH)).json["code"] == "csrf_token_missing"
    assert (await browser.call("POST", REFRESH, **browser.csrf)).status == 200
    assert browser.jar["valerix_refresh"] != before["valerix_refresh"]
    assert browser.jar["valerix_csrf"] == before["valerix_csrf"], (
        "pages that read it before stay right"
    )
    assert (await browser.call("GET", ME)).status == 200


async def test_of_two_tabs_that_refresh_at_once_one_is_told_to_look_again(
    browser: Browser, api: Api
) -> None:
    late = Browser(api)
    late.jar = dict(browser.jar)
    assert (await browser.call("POST", REFRESH, **browser.csrf)).status == 200
    told = await late.call("POST", REFRESH, **late.csrf)
    assert (told.status, told.json["code"], told.set_cookies) == (409, "refresh_superseded", [])
    assert (await browser.call("POST", REFRESH, **browser.csrf)).status == 200


async def test_a_stolen_cookie_used_later_ends_the_session(
    browser: Browser, api: Api, database: Connection
) -> None:
    thief = Browser(api)
    thief.jar = dict(browser.jar)
    await browser.call("POST", REFRESH, **browser.csrf)
    await database.execute("UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds'")
    assert (await thief.call("POST", REFRESH, **thief.csrf)).status == 401
    assert (await browser.call("GET", ME)).status == 401


async def test_a_cookies_token_is_no_use_in_a_body_nor_the_other_way_round(
    browser: Browser, api: Api
) -> None:
    assert (await refresh(api, browser.jar["valerix_refresh"])).status == 401
    browser.jar["valerix_refresh"] = (await sign_in(api))["refreshToken"]
    assert (await browser.call("POST", REFRESH, **browser.csrf)).status == 401


async def test_signing_out_takes_the_cookies_away(browser: Browser) -> None:
    assert (await browser.call("POST", LOGOUT)).status == 403
    assert (await browser.call("POST", LOGOUT, **browser.csrf)).status == 204
    device = browser.set.pop("valerix_device")
    assert {name: morsel["max-age"] for name, morsel in browser.set.items()} == dict.fromkeys(
        browser.set, "0"
    )
    assert (device["max-age"], device["path"], device["samesite"]) == (
        "34560000",
        "/api/v1/users",
        "strict",
    )


# --- the other services


@pytest.fixture(scope="module")
def payments(
    service: Process, identities: Identities, postgres: PostgresServer
) -> Iterator[Process]:
    """Another service: any will do, as all share the same edge."""
    name, url = postgres.fresh_database("payments")
    away = dict.fromkeys(("psp_url", "orders_url"), "http://127.0.0.1:1")
    settings = {**away, "users_url": service.url, "psp_secret": "unused", "database_url": url}
    with running("payments", identities, **settings) as process:
        yield process
    postgres.drop(name)


@pytest.fixture
async def elsewhere(payments: Process) -> AsyncIterator[Api]:
    async with Api.open(payments.url) as api:
        yield api


async def test_another_service_takes_the_cookie(api: Api, elsewhere: Api) -> None:
    browser = await Browser(api).sign_in(f"operator@{DOMAIN}", DEMO_PASSWORD)
    cookie = f"valerix_access={browser.jar['valerix_access']}"
    assert (await elsewhere.call("GET", PAYMENTS, cookie=cookie)).status == 200
    refused = await elsewhere.call(
        "POST", f"{PAYMENTS}/{NO_ID}/refund", {"reason": "test"}, cookie=cookie
    )
    assert (refused.status, refused.json["code"]) == (403, "csrf_token_missing")
    refused = await elsewhere.call(
        "POST", f"{PAYMENTS}/{NO_ID}/refund", {"reason": "test"}, cookie=cookie, **browser.csrf
    )
    assert refused.status == 404


async def test_another_service_soon_refuses_who_signed_out(api: Api, elsewhere: Api) -> None:
    gone, stays = await sign_in(api, "operator"), await sign_in(api, "operator")
    for one in (gone, stays):
        assert (await elsewhere.get(PAYMENTS, token=one["accessToken"])).status == 200
    await api.call("POST", LOGOUT, token=gone["accessToken"])

    async def refused() -> bool:
        return (await elsewhere.get(PAYMENTS, token=gone["accessToken"])).status == 401

    await eventually(refused, 60)
    assert (await elsewhere.get(PAYMENTS, token=stays["accessToken"])).status == 200


async def test_what_was_revoked_stays_so_while_users_is_away(
    api: Api, service: Process, elsewhere: Api
) -> None:
    gone, stays = await sign_in(api, "operator"), await sign_in(api, "operator")
    await api.call("POST", LOGOUT, token=gone["accessToken"])

    async def refused() -> bool:
        return (await elsewhere.get(PAYMENTS, token=gone["accessToken"])).status == 401

    await eventually(refused, 60)
    service.kill()
    try:
        await asyncio.sleep(2 * POLL_SECONDS)
        assert await refused()
        assert (await elsewhere.get(PAYMENTS, token=stays["accessToken"])).status == 200
    finally:
        service.start()


async def test_the_list_of_ended_sessions_is_for_services(api: Api, identities: Identities) -> None:
    for token, status in (
        (identities.person("admin"), 403),
        (None, 401),
        (identities.service("orders", "users"), 200),
    ):
        assert (await api.post(LIST_REVOKED, {}, token=token)).status == status
