"""Tokens: fetched when needed, renewed when expired, once for all callers that wait for one."""

import asyncio
from typing import Any

import pytest

from tests.client.conftest import Caller
from tests.client.server import DROP, ORDER, SIGNED_IN, Reply, Server, problem
from valerix.client import AsyncValerix, errors

FOUND = Reply(200, ORDER)
WELCOME = Reply(200, SIGNED_IN)
WELCOME_AGAIN = Reply(200, {**SIGNED_IN, "accessToken": "token-2"})
EXPIRED = problem(401, "unauthenticated")
WHO: dict[str, Any] = {"email": "a@b.c", "password": "secret"}
LOGIN, GET = "/api/v1/users/login", f"/api/v1/orders/{ORDER['id']}"


def get(valerix: Any) -> Any:
    return valerix.orders.get(ORDER["id"])


def paths(server: Server) -> list[str]:
    return [request.path for request in server.received]


def tokens(server: Server) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.received]


async def test_signs_in_before_the_first_call(caller: Caller, server: Server) -> None:
    server.acts(WELCOME, FOUND)
    await caller.run(get, **WHO)
    assert paths(server) == [LOGIN, GET]
    assert tokens(server) == [None, "Bearer token-1"]
    assert server.received[0].body == WHO


async def test_signs_in_again_when_the_token_is_not_taken_any_more(
    caller: Caller, server: Server
) -> None:
    server.acts(WELCOME, EXPIRED, WELCOME_AGAIN, FOUND)
    await caller.run(get, **WHO)
    assert paths(server) == [LOGIN, GET, LOGIN, GET]
    assert tokens(server)[-1] == "Bearer token-2"


async def test_signs_in_again_as_the_same_device(caller: Caller, server: Server) -> None:
    server.acts(Reply(200, {**SIGNED_IN, "deviceToken": "device-1"}), EXPIRED, WELCOME_AGAIN, FOUND)
    await caller.run(get, **WHO)
    assert [request.body for request in server.received if request.path == LOGIN] == [
        WHO,
        WHO | {"deviceToken": "device-1"},
    ]


async def test_a_token_is_renewed_before_it_runs_out(server: Server) -> None:
    server.acts(Reply(200, {**SIGNED_IN, "expiresIn": 0}), FOUND, WELCOME_AGAIN, FOUND)
    async with AsyncValerix(server.url, **WHO) as valerix:
        await get(valerix)
        await get(valerix)
    assert paths(server) == [LOGIN, GET, LOGIN, GET]
    assert tokens(server)[-1] == "Bearer token-2"


async def test_a_caller_who_stays_refused_is_told(caller: Caller, server: Server) -> None:
    server.acts(WELCOME, EXPIRED, WELCOME_AGAIN, EXPIRED)
    with pytest.raises(errors.Unauthenticated):
        await caller.run(get, **WHO)
    assert len(server.received) == 4


async def test_a_wrong_password_is_told(caller: Caller, server: Server) -> None:
    server.acts(problem(401, "login_refused", "E-mail or password is wrong"))
    with pytest.raises(errors.Unauthenticated, match="password is wrong"):
        await caller.run(get, **WHO)
    assert paths(server) == [LOGIN]


async def test_signing_in_is_repeated_when_the_connection_is_lost(
    caller: Caller, server: Server
) -> None:
    server.acts(DROP, WELCOME, FOUND)
    await caller.run(get, **WHO)
    assert paths(server) == [LOGIN, LOGIN, GET]


async def test_a_given_token_is_used_as_it_is(caller: Caller, server: Server) -> None:
    server.acts(FOUND)
    await caller.run(get, token="mine")
    server.acts(EXPIRED)
    with pytest.raises(errors.Unauthenticated):
        await caller.run(get, token="mine")
    assert tokens(server) == ["Bearer mine", "Bearer mine"]


async def test_signing_in_by_hand_makes_the_caller(caller: Caller, server: Server) -> None:
    server.acts(WELCOME)
    signed_in = await caller.run(lambda v: v.login("a@b.c", "secret"))
    assert signed_in.user.customer_id == "CUST-001"


async def test_many_calls_at_once_sign_in_once(server: Server) -> None:
    server.acts(WELCOME, FOUND)
    async with AsyncValerix(server.url, **WHO) as valerix:
        await asyncio.gather(*(get(valerix) for _ in range(20)))
    assert paths(server).count(LOGIN) == 1
