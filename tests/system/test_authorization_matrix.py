"""The part of the authorization matrix that needs a stack: the gateway, and live events.

Every caller at every route is in tests/matrix, in one process; `full` repeats it here over the
network.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.matrix.callers import ADMIN, OPERATOR, OTHER, OWNER, Caller
from tests.matrix.expectations import ALL, RULES
from tests.matrix.knock import (
    HTTP,
    PLATFORM_OWN,
    SOCKETS,
    Case,
    Key,
    Knock,
    assert_all_that_is_described_is_expected,
    assert_every_route_is_expected,
    assert_handshakes,
    assert_route,
    for_one_call,
    fresh_values,
)
from tests.matrix.over_http import OverHttp
from tests.matrix.world import TARGETS, World, new_world, service_callers, with_fresh_tokens
from tests.support.api import Api
from tests.support.blocking import run_blocking
from tests.support.stack import Stack, place
from valerix.launcher.topology import PUBLIC

RENEWED_AFTER_SECONDS = 240


# --- the world


@pytest.fixture(scope="module")
def worlds(stack: Stack) -> list[World]:
    """Creates a world, in a list of one, so that `world` can replace it."""
    made: list[World] = []

    async def make() -> None:
        made.append(await new_world(OverHttp(stack)))

    run_blocking(make())
    return made


@pytest.fixture
async def world(worlds: list[World], request: pytest.FixtureRequest) -> World:
    """Provides the current world. Its tokens outlast any test: they are valid for ten minutes,
    while few later sessions exist.
    """
    callspec = getattr(request.node, "callspec", None)
    key = callspec.params.get("key") if callspec else None
    opens_sessions = key in RULES and RULES[key].opens_sessions
    if opens_sessions or time.monotonic() - worlds[0].signed_in_at > RENEWED_AFTER_SECONDS:
        worlds[0] = await with_fresh_tokens(worlds[0].platform, worlds[0].values)
    return worlds[0]


# --- through the gateway


@pytest.mark.parametrize("key", HTTP, ids=" ".join)
async def test_authorization_matrix_through_the_gateway(world: World, key: Key) -> None:
    """A permitted caller reaches the route; a route that is not public answers 404, even to a
    permitted caller.
    """
    rule = RULES[key]
    async with world.api(OWNER) as owner, world.api(OPERATOR) as operator, Api.open("") as api:
        knock = Knock(world.platform, api, key)
        caller = next(
            filter(knock.passes, [*world.callers, *service_callers(world.platform, key[0])])
        )
        values = await fresh_values(world, rule, owner, operator)
        status = await knock.once(
            knock.gateway_address, await for_one_call(world, rule, caller), values
        )
    if rule.routed or key[2] in PLATFORM_OWN:
        assert status < 400, caller.name
    else:
        assert status == 404, caller.name


@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_of_refusals_through_the_gateway(
    world: World, service: str
) -> None:
    """Each class of refusal at one route of the service, and at the route's short forms, if any."""
    wrong: list[str] = []
    kinds: set[str] = set()
    async with Api.open("") as api:
        for knock, refused in _one_route_for_each_refusal(world, api, service):
            addresses = [knock.gateway_address, *knock.short_addresses]
            cases = [
                Case(address, caller, knock.refusal(caller))
                for address in addresses
                for caller in refused
            ]
            wrong += await knock.judge(cases, world.values)
            kinds |= {caller.kind for caller in refused}
    assert not wrong, "\n".join(wrong)
    assert kinds >= ALL - {ADMIN}, "a class of refusal has no route here"


def _one_route_for_each_refusal(
    world: World, api: Api, service: str
) -> Iterator[tuple[Knock, list[Caller]]]:
    """Yields routes with the callers that they refuse; each caller once for each status of its
    refusals.

    The service's own routes come before those that every service has.
    """
    callers = [*world.callers, *service_callers(world.platform, service)]
    suitable = [
        key for key in HTTP if key[0] == service and RULES[key].routed and not RULES[key].make
    ]
    done: set[tuple[str, int]] = set()
    for key in sorted(suitable, key=lambda key: bool(RULES[key].at_gateway)):
        knock = Knock(world.platform, api, key)
        new = [c for c in callers if not knock.passes(c) and (c.name, knock.refusal(c)) not in done]
        done |= {(caller.name, knock.refusal(caller)) for caller in new}
        yield knock, new


def test_authorization_matrix_expects_the_gateway_to_know_the_way_to_every_public_resource() -> (
    None
):
    """The topology and the expectations list the public resources separately, and agree."""
    for process in PUBLIC:
        for resource in process.resources:
            paths = [
                rule
                for (_, _, path), rule in RULES.items()
                if path.startswith(f"/api/v1/{resource}")
            ]
            assert paths
            assert all(rule.routed for rule in paths)


# --- WebSockets


@pytest.mark.parametrize("key", SOCKETS, ids=lambda key: key[2])
async def test_authorization_matrix_of_the_live_streams(world: World, key: Key) -> None:
    await assert_handshakes(world, key)


async def test_authorization_matrix_of_what_is_told_live(world: World) -> None:
    """Another customer who requests all past events gets none of the owner's."""
    url = f"{world.platform.url.replace('http', 'ws')}/ws?lastEventId=0"

    async def heard(kind: str, until: str) -> list[str]:
        """Returns the customers with events that a caller of `kind` receives, up to the order
        `until`.
        """
        customers = []
        headers = {"Authorization": f"Bearer {world.people[kind]}"}
        async with (
            connect(url, additional_headers=headers, proxy=None, max_queue=None) as socket,
            asyncio.timeout(60),
        ):
            while True:
                event: dict[str, Any] = json.loads(await socket.recv())
                customers.append(str(event["data"].get("customerId")))
                if event["subject"] == until:
                    return customers

    async with world.api(OTHER) as grace:
        order = (await place(grace, {"MATRIX": 1}, customer="CUST-002")).json
    assert "CUST-001" in await heard(OPERATOR, order["id"])
    assert set(await heard(OTHER, order["id"])) <= {"CUST-002", "None"}


# --- everything again, over the network


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("key", HTTP, ids=" ".join)
async def test_authorization_matrix(world: World, key: Key) -> None:
    await assert_route(world, key)


@pytest.mark.full
@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_has_an_expectation_for_every_route(
    stack: Stack, service: str
) -> None:
    await assert_every_route_is_expected(OverHttp(stack), service)


@pytest.mark.full
@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_has_an_expectation_for_all_that_is_described(
    stack: Stack, service: str
) -> None:
    await assert_all_that_is_described_is_expected(OverHttp(stack), service)
