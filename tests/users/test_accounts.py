"""Registering, signing in and changing accounts, over HTTP."""

import asyncio
import json
from typing import Any

import pytest
from asyncpg.connection import Connection

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.processes import Process
from tests.users.conftest import DEMO_PASSWORD, login

NEW = {
    "name": "Katherine Johnson",
    "email": "Katherine@Example.com",
    "password": "orbital mechanics",
}


def pointers(document: dict[str, Any]) -> set[str]:
    return {error["pointer"] for error in document["errors"]}


# --- registering


async def test_who_registers_can_sign_in_and_read_their_profile(
    api: Api, database: Connection
) -> None:
    made = await api.post("/api/v1/users/register", NEW)
    assert made.status == 201
    profile = made.json
    assert profile["email"] == "katherine@example.com"
    assert (profile["role"], profile["status"], profile["customerId"]) == (
        "customer",
        "active",
        "CUST-011",
    )
    assert "password" not in made.body.decode().lower()

    entered = await api.post(
        "/api/v1/users/login", {"email": "KATHERINE@example.com", "password": NEW["password"]}
    )
    assert entered.status == 200
    assert (entered.json["tokenType"], entered.json["expiresIn"], entered.json["user"]) == (
        "Bearer",
        600,
        profile,
    )
    assert entered.headers["cache-control"] == "no-store"

    me = await api.get("/api/v1/users/me", token=entered.json["accessToken"])
    assert me.json == profile
    assert (
        await api.get(made.headers["location"], token=entered.json["accessToken"])
    ).json == profile

    stored = await database.fetchval("SELECT password_hash FROM users WHERE id = $1", profile["id"])
    assert stored.startswith("$argon2id$")
    (event,) = await database.fetch("SELECT * FROM user_events WHERE user_id = $1", profile["id"])
    assert (event["version"], event["type"], json.loads(event["data"])) == (
        1,
        "customer.registered",
        profile,
    )


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"email": None}, {"/email"}),
        ({"email": "nobody"}, {"/email"}),
        ({"email": "a b@example.com"}, {"/email"}),
        ({"email": "a@example." + "x" * 250}, {"/email"}),
        ({"name": ""}, {"/name"}),
        ({"name": " "}, {"/name"}),
        ({"name": "x" * 101}, {"/name"}),
        ({"name": 7, "email": 7}, {"/name", "/email"}),
        ({"password": "too short"}, {"/password"}),
        ({"password": "x" * 129}, {"/password"}),
        ({"password": "Password123"}, {"/password"}),
        ({"role": "admin"}, {"/role"}),
    ],
)
async def test_a_bad_registration_names_each_bad_field_and_writes_nothing(
    api: Api, database: Connection, change: dict[str, Any], where: set[str]
) -> None:
    refused = await api.post("/api/v1/users/register", NEW | change)
    assert (refused.status, refused.headers["content-type"]) == (400, "application/problem+json")
    assert pointers(refused.json) == where
    assert await database.fetchval("SELECT count(*) FROM users WHERE email ILIKE 'katherine%'") == 0


async def test_text_the_database_cannot_store_is_refused_everywhere(
    api: Api, identities: Identities
) -> None:
    admin = identities.person("admin")
    answers = [
        await api.post("/api/v1/users/register", NEW | {"name": "a\x00b"}),
        await api.get("/api/v1/users?q=%00", token=admin),
        await api.get("/api/v1/customers/CUST%00", token=admin),
    ]
    assert [answer.status for answer in answers] == [400, 400, 400]


async def test_fifty_registrations_of_one_address_make_one_account(
    api: Api, database: Connection
) -> None:
    answers = await asyncio.gather(*(api.post("/api/v1/users/register", NEW) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 49
    assert (
        await database.fetchval("SELECT count(*) FROM users WHERE email = 'katherine@example.com'")
        == 1
    )
    assert (
        await database.fetchval(
            "SELECT count(*) FROM user_events WHERE data->>'email' = 'katherine@example.com'"
        )
        == 1
    )


async def test_a_taken_address_is_refused_without_a_word_about_its_owner(api: Api) -> None:
    refused = await api.post("/api/v1/users/register", NEW | {"email": "ADA@demo.valerix.example"})
    assert (refused.status, refused.json["code"]) == (409, "email_taken")
    assert "lovelace" not in refused.body.decode().lower()
    assert "CUST-001" not in refused.body.decode()


# --- signing in


async def test_an_unknown_address_and_a_wrong_password_are_answered_alike(api: Api) -> None:
    known, unknown = "ada@demo.valerix.example", "nobody@demo.valerix.example"
    answers = [
        await api.post("/api/v1/users/login", {"email": e, "password": "wrong password"})
        for e in (known, unknown)
    ]
    documents = [answer.json for answer in answers]
    assert [document.pop("traceId") != "" for document in documents] == [True, True]
    assert documents[0] == documents[1]
    assert [answer.status for answer in answers] == [401, 401]


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(
    costly_api: Api, costly_service: Process
) -> None:
    """Measured by the processor time of the service, which excludes other work on the machine: both
    cases cost one password check.
    """

    async def work(email: str) -> float:
        before = costly_service.cpu_seconds()
        for _ in range(15):
            await costly_api.post(
                "/api/v1/users/login", {"email": email, "password": "wrong password"}
            )
        return costly_service.cpu_seconds() - before

    known, unknown = (
        await work("ada@demo.valerix.example"),
        await work("nobody@demo.valerix.example"),
    )
    assert known / 2 < unknown < known * 2


async def test_a_suspended_customer_may_sign_in_and_suspended_staff_may_not(api: Api) -> None:
    admin = await login(api, "admin")
    assert await login(api, "mallory")
    (operator,) = (await api.get("/api/v1/users?role=operator", token=admin)).json["items"]
    suspended = await api.call(
        "PUT", f"/api/v1/users/{operator['id']}/status", {"status": "suspended"}, token=admin
    )
    assert suspended.json["status"] == "suspended"
    refused = await api.post(
        "/api/v1/users/login", {"email": operator["email"], "password": DEMO_PASSWORD}
    )
    assert (refused.status, refused.json["code"]) == (401, "login_refused")


async def test_a_storm_of_sign_ins_is_shed_with_an_invitation_to_return(costly_api: Api) -> None:
    body = {"email": "ada@demo.valerix.example", "password": DEMO_PASSWORD}
    answers = await asyncio.gather(
        *(costly_api.post("/api/v1/users/login", body) for _ in range(200))
    )
    shed = [answer for answer in answers if answer.status == 503]
    assert shed
    assert all(answer.headers["retry-after"] for answer in shed)
    assert {answer.status for answer in answers} == {200, 503}


# --- changing


async def test_a_user_changes_their_own_name_and_address(api: Api, database: Connection) -> None:
    token = await login(api, "ada")
    before = await api.get("/api/v1/users/me", token=token)
    path = f"/api/v1/users/{before.json['id']}"
    body = {
        "name": "Ada King",
        "email": "Countess@demo.valerix.example",
        "currentPassword": DEMO_PASSWORD,
    }
    changed = await api.call("PUT", path, body, token=token, if_match=before.headers["etag"])
    assert changed.status == 200
    assert (changed.json["name"], changed.json["email"]) == (
        "Ada King",
        "countess@demo.valerix.example",
    )
    assert (changed.json["version"], changed.headers["etag"]) == (3, '"3"'), (
        "the former address is notified"
    )

    stale = await api.call("PUT", path, body, token=token, if_match=before.headers["etag"])
    assert (stale.status, stale.json["code"], stale.json["version"]) == (412, "version_conflict", 3)
    nonsense = await api.call("PUT", path, body, token=token, if_match="yesterday")
    assert nonsense.status == 400
    taken = await api.call("PUT", path, body | {"email": "grace@demo.valerix.example"}, token=token)
    assert (taken.status, taken.json["code"]) == (409, "email_taken")

    history = await database.fetch(
        "SELECT * FROM user_events WHERE user_id = $1 ORDER BY version", before.json["id"]
    )
    assert [(event["version"], event["type"]) for event in history] == [
        (1, "customer.registered"),
        (2, "customer.updated"),
        (3, "account.email_changed"),
    ]
    assert json.loads(history[2]["data"]) == changed.json | {
        "formerEmail": "ada@demo.valerix.example"
    }


async def test_of_two_changes_made_from_one_version_one_is_told_it_came_late(api: Api) -> None:
    token = await login(api, "ada")
    me = await api.get("/api/v1/users/me", token=token)
    path, etag = f"/api/v1/users/{me.json['id']}", me.headers["etag"]
    bodies = [{"name": f"Ada {n}", "email": me.json["email"]} for n in range(10)]
    answers = await asyncio.gather(
        *(api.call("PUT", path, body, token=token, if_match=etag) for body in bodies)
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 9


async def test_suspending_is_recorded_once_with_who_did_it(api: Api, database: Connection) -> None:
    admin = await login(api, "admin")
    me = (await api.get("/api/v1/users/me", token=admin)).json["id"]
    (grace,) = (await api.get("/api/v1/users?q=grace", token=admin)).json["items"]
    path = f"/api/v1/users/{grace['id']}/status"
    for _ in range(2):
        answer = await api.call("PUT", path, {"status": "suspended"}, token=admin)
        assert (answer.json["status"], answer.json["version"]) == ("suspended", 2)
    events = await database.fetch(
        "SELECT * FROM user_events WHERE user_id = $1 AND version > 1", grace["id"]
    )
    assert [(event["type"], event["actor"]) for event in events] == [("customer.updated", me)]
    assert len(events[0]["trace_id"]) == 32


async def test_nobody_suspends_themselves(api: Api) -> None:
    admin = await login(api, "admin")
    me = (await api.get("/api/v1/users/me", token=admin)).json["id"]
    refused = await api.call(
        "PUT", f"/api/v1/users/{me}/status", {"status": "suspended"}, token=admin
    )
    assert (refused.status, refused.json["code"]) == (403, "own_account")


async def test_another_address_needs_the_current_password(api: Api, database: Connection) -> None:
    token = await login(api, "ada")
    me = (await api.get("/api/v1/users/me", token=token)).json
    path, moved = f"/api/v1/users/{me['id']}", {"name": me["name"], "email": "mine@example.com"}
    needed = await api.call("PUT", path, moved, token=token)
    assert (needed.status, needed.json["code"]) == (403, "password_needed")
    wrong = await api.call("PUT", path, moved | {"currentPassword": "a guess at it"}, token=token)
    assert (wrong.status, wrong.json["code"]) == (403, "wrong_password")
    assert (await api.get("/api/v1/users/me", token=token)).json == me
    admin = await login(api, "admin")
    assert (await api.call("PUT", path, moved, token=admin)).status == 403, (
        "needs the administrator's password"
    )
    assert (
        await api.call("PUT", path, moved | {"currentPassword": DEMO_PASSWORD}, token=token)
    ).status == 200
    actions = await database.fetch(
        "SELECT action, actor FROM audit WHERE subject = $1 ORDER BY id", me["id"]
    )
    recorded = [(row["action"], row["actor"]) for row in actions]
    assert recorded[-1] == ("profile.changed", me["id"])
    assert ("password.refused", me["id"]) in recorded
