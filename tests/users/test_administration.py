"""Roles, passwords, and the record of everything that concerns an account's security."""

import asyncio
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.support.api import Answer, Api
from tests.users.conftest import DEMO_PASSWORD, login
from valerix.users.demo import DOMAIN

USERS = "/api/v1/users"
NEW_PASSWORD = "an entirely new one"


async def find(api: Api, admin: str, name: str) -> dict[str, Any]:
    (user,) = (await api.get(f"{USERS}?q={name}@", token=admin)).json["items"]
    found: dict[str, Any] = user
    return found


async def set_role(api: Api, admin: str, user_id: str, role: str) -> Answer:
    return await api.call("PUT", f"{USERS}/{user_id}/role", {"role": role}, token=admin)


async def test_a_user_is_found_by_the_last_digits_of_the_id(api: Api) -> None:
    """The entries as the audit shows them."""
    admin = await login(api, "admin")
    ada = await find(api, admin, "ada")
    for shown in (ada["id"], ada["id"][-12:], f"…{ada['id'][-12:]}", ada["id"][-6:].upper()):
        assert (await api.get(f"{USERS}?q={quote(shown)}", token=admin)).json["items"] == [ada]
    assert (await api.get(f"{USERS}?q={ada['id'][-3:]}@", token=admin)).json["items"] == []


# --- roles


async def test_a_new_role_is_in_force_at_once_and_signs_the_user_out(
    api: Api, database: Connection
) -> None:
    admin, ada = await login(api, "admin"), await login(api, "ada")
    user = await find(api, admin, "ada")
    changed = await set_role(api, admin, user["id"], "operator")
    assert (changed.status, changed.json["role"], changed.json["version"]) == (200, "operator", 2)
    assert changed.json["customerId"] == "CUST-001", "orders carry it"
    assert (await api.get(USERS + "/me", token=ada)).status == 401
    assert (
        await api.get("/api/v1/customers/CUST-002", token=await login(api, "ada"))
    ).status == 200
    told = await database.fetchval(
        "SELECT type FROM user_events WHERE user_id = $1 AND version = 2", user["id"]
    )
    assert told == "customer.updated", "read models of customers receive it"
    assert (await set_role(api, admin, user["id"], "operator")).json["version"] == 2


async def test_staff_who_become_customers_get_a_number(api: Api, database: Connection) -> None:
    admin = await login(api, "admin")
    user = await find(api, admin, "operator")
    changed = await set_role(api, admin, user["id"], "customer")
    assert changed.json["customerId"] == "CUST-011"
    told = await database.fetchval(
        "SELECT type FROM user_events WHERE user_id = $1 AND version = 2", user["id"]
    )
    assert told == "customer.registered"


async def test_only_administrators_give_roles_and_not_to_themselves(api: Api) -> None:
    admin = await login(api, "admin")
    user = await find(api, admin, "ada")
    for name in ("ada", "operator"):
        assert (await set_role(api, await login(api, name), user["id"], "admin")).status == 403
    me = (await api.get(USERS + "/me", token=admin)).json
    assert (await set_role(api, admin, me["id"], "customer")).json["code"] == "own_account"
    assert (await set_role(api, admin, user["id"], "king")).status == 400
    assert (
        await set_role(api, admin, "0199d1c2-0000-7000-8000-00000000ffff", "admin")
    ).status == 404


@pytest.mark.parametrize(
    ("path", "body"), [("role", {"role": "customer"}), ("status", {"status": "suspended"})]
)
async def test_two_administrators_cannot_remove_each_other(
    api: Api, path: str, body: dict[str, str]
) -> None:
    first = await login(api, "admin")
    grace = await find(api, first, "grace")
    for _ in range(5):
        await set_role(api, first, grace["id"], "admin")
        second = await login(api, "grace")
        me = (await api.get(USERS + "/me", token=first)).json
        answers = await asyncio.gather(
            api.call("PUT", f"{USERS}/{grace['id']}/{path}", body, token=first),
            api.call("PUT", f"{USERS}/{me['id']}/{path}", body, token=second),
        )
        assert sorted(answer.status for answer in answers) in ([200, 401], [200, 409])
        if answers[0].status != 200:
            first, grace = second, me
        await api.call("PUT", f"{USERS}/{grace['id']}/status", {"status": "active"}, token=first)
        name = "admin" if grace["email"].startswith("admin@") else "grace"
        grace = await find(api, first, name)
        if name == "admin":
            await set_role(api, first, grace["id"], "admin")
            first, grace = await login(api, "admin"), await find(api, first, "grace")


# --- passwords


async def test_a_new_password_needs_the_old_one_and_signs_out_elsewhere(api: Api) -> None:
    here, there = await login(api, "ada"), await login(api, "ada")
    body = {"currentPassword": DEMO_PASSWORD, "newPassword": NEW_PASSWORD}
    refused = await api.call(
        "PUT", USERS + "/me/password", body | {"currentPassword": "wrong"}, token=here
    )
    assert (refused.status, refused.json["code"]) == (403, "wrong_password")
    easy = await api.call(
        "PUT", USERS + "/me/password", body | {"newPassword": "password123"}, token=here
    )
    assert [error["pointer"] for error in easy.json["errors"]] == ["/newPassword"]
    assert (await api.call("PUT", USERS + "/me/password", body, token=here)).status == 204

    assert (await api.get(USERS + "/me", token=here)).status == 200
    assert (await api.get(USERS + "/me", token=there)).status == 401
    assert await login(api, "ada", NEW_PASSWORD)
    old = await api.post(USERS + "/login", {"email": f"ada@{DOMAIN}", "password": DEMO_PASSWORD})
    assert old.status == 401


# --- the record


async def entries(api: Api, admin: str, query: str = "") -> list[dict[str, Any]]:
    answer = await api.get(f"{USERS}/audit?limit=200{query}", token=admin)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["items"]
    return found


async def test_everything_that_concerns_an_account_is_on_record(api: Api) -> None:
    admin = await login(api, "admin")
    ada = (await find(api, admin, "ada"))["id"]
    body = {"email": f"ada@{DOMAIN}", "password": DEMO_PASSWORD}
    await api.post(
        USERS + "/login", body | {"password": "a wrong one"}, x_forwarded_for="203.0.113.7"
    )
    signed_in = (await api.post(USERS + "/login", body, user_agent="Lovelace/1.0")).json
    for _ in range(2):
        await api.post(USERS + "/refresh", {"refreshToken": signed_in["refreshToken"]})
    token = await login(api, "ada")
    new = {"currentPassword": DEMO_PASSWORD, "newPassword": NEW_PASSWORD}
    await api.call("PUT", USERS + "/me/password", new, token=token)
    await api.call("POST", USERS + "/logout", token=token)
    await api.call("DELETE", f"{USERS}/{ada}/sessions", token=admin)
    await set_role(api, admin, ada, "operator")
    await api.call("PUT", f"{USERS}/{ada}/status", {"status": "suspended"}, token=admin)

    found = await entries(api, admin, f"&subject={ada}")
    assert [entry["action"] for entry in reversed(found)] == [
        "login.failed",
        "login.succeeded",
        "refresh.reused",
        "login.succeeded",
        "password.changed",
        "session.logged_out",
        "sessions.revoked",
        "role.changed",
        "status.changed",
    ]
    failed, succeeded, reused = found[-1], found[-2], found[-3]
    assert (failed["actor"], failed["address"]) == (None, "203.0.113.7")
    assert (succeeded["actor"], succeeded["userAgent"]) == (ada, "Lovelace/1.0")
    assert reused["sessionId"] == succeeded["sessionId"]
    me = (await api.get(USERS + "/me", token=admin)).json["id"]
    assert {entry["actor"] for entry in found[:3]} == {me}
    assert found[1]["details"] == {"old": "customer", "new": "operator"}
    assert all(len(entry["traceId"]) == 32 for entry in found)


async def test_what_was_typed_in_vain_is_not_kept(api: Api) -> None:
    await api.post(USERS + "/login", {"email": "my password in the wrong field", "password": "x"})
    (entry, *_) = await entries(api, await login(api, "admin"), "&action=login.failed")
    assert entry["subject"] is None
    assert "wrong field" not in str(entry)


async def test_the_record_is_paged_filtered_and_for_administrators(api: Api) -> None:
    admin = await login(api, "admin")
    for _ in range(4):
        await login(api, "ada")
    whole = [entry["id"] for entry in await entries(api, admin)]
    paged: list[str] = []
    cursor = ""
    while len(paged) < 4:
        page = (await api.get(f"{USERS}/audit?limit=2{cursor}", token=admin)).json
        paged += [entry["id"] for entry in page["items"]]
        cursor = f"&cursor={page['nextCursor']}"
    assert paged == whole[:4]
    assert await entries(api, admin, "&from=2999-01-01T00:00:00Z") == []
    for name in ("ada", "operator"):
        assert (await api.get(USERS + "/audit", token=await login(api, name))).status == 403


async def test_the_record_cannot_be_changed(api: Api, database: Connection) -> None:
    await login(api, "ada")
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await database.execute(statement)
