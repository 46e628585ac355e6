"""Every route of every service, everybody who may knock, through the gateway and at the services' own doors."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.conftest import run_blocking
from tests.services import Api, eventually
from tests.system.callers import (
    ADMIN,
    MERCHANT,
    NOBODY,
    OPERATOR,
    OTHER,
    OWNER,
    PAGE,
    SERVICE,
    SPOOFED,
    Caller,
    Forger,
    bearing,
    browsers,
    forged,
)
from tests.system.conftest import UNLIMITED, started
from tests.system.expectations import RULES, Rule, Values, World
from tests.system.stack import ADA, GRACE, Stack, new_product, place
from tests.system.stack import OPERATOR as OPERATOR_EMAIL
from valerix.chassis.auth import TokenIssuer
from valerix.chassis.route_table import SOCKET
from valerix.launcher.topology import PUBLIC, SERVICES

EMAILS = {OWNER: ADA, OTHER: GRACE, OPERATOR: OPERATOR_EMAIL, ADMIN: "admin@demo.valerix.example"}
SAFE = ("GET", "HEAD", SOCKET)
TARGETS = [process.name for process in SERVICES]
AT_ONCE = 8
RENEWED_AFTER_SECONDS = 240
SIGNED_OUT = "signed out"
GATEWAY_OWN = {"/health"}
BY_PREFIX = re.compile(r"^(/static/|/openapi/).*")
SHADOWED = {"/openapi.json", "/asyncapi.json"}
"""Paths of every service that are the platform's own at the gateway."""


# --- the world


@pytest.fixture(scope="module")
def attacked() -> Iterator[Stack]:
    """One that can be broken on purpose, for who may do so is part of the matrix."""
    yield from started(chaos="enabled", **UNLIMITED)


@pytest.fixture(scope="module")
def worlds(attacked: Stack) -> list[World]:
    """The present one."""
    made: list[World] = []

    async def make() -> None:
        made.append(await _world(attacked, await _values(attacked)))

    run_blocking(make())
    return made


@pytest.fixture
async def world(attacked: Stack, worlds: list[World]) -> World:
    """Its tokens outlast any test; they are good for ten minutes, and all tests together may take longer."""
    if time.monotonic() - worlds[0].signed_in_at > RENEWED_AFTER_SECONDS:
        worlds[0] = await _world(attacked, worlds[0].values)
    return worlds[0]


async def _world(stack: Stack, values: Values) -> World:
    signed_in_at = time.monotonic()
    people = {kind: await stack.token(email) for kind, email in EMAILS.items()}
    keys = stack.data_dir / "secrets"
    admin = Forger(people[ADMIN], keys / "users.jwk")
    callers = [
        *(bearing(kind, kind, token) for kind, token in people.items()),
        bearing("admin, token taken apart and put together", ADMIN, admin.resigned()),
        bearing("another customer with spoofed identity headers", OTHER, people[OTHER], **SPOOFED),
        bearing("merchant", MERCHANT, stack.secret("psp")),
        bearing(SIGNED_OUT, NOBODY, await _signed_out(stack)),
        *browsers(Forger(people[OWNER], keys / "users.jwk")),
        *forged(admin, Forger(TokenIssuer(keys / "orders.jwk").for_service("users"), keys / "orders.jwk")),
    ]
    return World(stack, callers, people, values, signed_in_at)


async def _signed_out(stack: Stack) -> str:
    """An administrator's token whose session has ended, once every service knows. (The provider knows no sessions.)"""
    token = await stack.token(EMAILS[ADMIN])
    async with Api.open(stack.url, token) as admin:
        assert (await admin.post("/api/v1/users/logout", None)).status == 204
    async with Api.open("", token) as api:
        doors = [stack.service_url(name) for name in TARGETS if name != "psp"]

        async def refused() -> bool:
            return {(await api.get(f"{door}/internal/v1/routes")).status for door in doors} == {401}

        await eventually(refused, 60)
    return token


async def _values(stack: Stack) -> Values:
    """One of everything."""
    values: Values = {"email": ADA, "password": stack.secret("demo"), "customer_id": "CUST-001", "plenty": "MATRIX"}
    async with stack.api(ADA) as owner, stack.api(EMAILS[OPERATOR]) as operator:
        await new_product(operator, "MATRIX", 10_000)
        order = (await place(owner, {"MATRIX": 1})).json
        assert order["status"] == "confirmed", order
        values |= {"sku": "MATRIX", "order_id": order["id"], "payment_id": order["paymentId"]}
        values["user_id"] = (await owner.get("/api/v1/users/me")).json["id"]

        async def told() -> str:
            found = (await owner.get("/api/v1/notifications")).json["items"]
            return found[0]["id"] if found else ""

        values["notification_id"] = await eventually(told, 60)
    values["charge"] = "matrix"
    async with Api.open(stack.service_url("psp"), stack.secret("psp")) as provider:
        body = {"reference": "matrix", "amountMinor": 10_000, "currency": "USD", "method": "card_ok"}
        assert (await provider.post("/v1/charges", body)).status == 201
    for name in ("orders", "inventory", "notifications"):
        (letter,) = await stack.rows(
            name,
            "INSERT INTO dead_letters (consumer, event, error, attempts, replayed_at)"
            """ VALUES ($1, '{"type": "test", "subject": "test"}', 'test', 1, now()) RETURNING id""",
            name,
        )
        assert letter["id"] == 1
    values["letter_id"] = "1"
    return values


def service_callers(stack: Stack, target: str) -> list[Caller]:
    """A service that may call `target`, and one whose token is for somebody else."""
    issuer = TokenIssuer(stack.data_dir / "secrets" / "orders.jwk")
    elsewhere = "payments" if target != "payments" else "users"
    return [
        bearing("service", SERVICE, issuer.for_service(target)),
        bearing("service, token for another", NOBODY, issuer.for_service(elsewhere)),
    ]


async def running_routes(stack: Stack, service: str) -> set[tuple[str, str]]:
    """(method, path) of what the running service answers; of files, their folder."""
    async with Api.open(stack.service_url(service), None) as api:
        caller = service_callers(stack, service)[0]
        answer = await api.call("GET", "/internal/v1/routes", **_named(caller))
    assert answer.status == 200, answer.body
    return {(entry["method"], BY_PREFIX.sub(r"\1*", entry["path"])) for entry in answer.json}


# --- the tests


@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_has_an_expectation_for_every_route(attacked: Stack, service: str) -> None:
    expected = {(method, path) for name, method, path in RULES if name == service}
    found = await running_routes(attacked, service)
    assert found - expected == set(), "say in tests/system/expectations.py who may call it"
    assert expected - found == set(), "the route is gone: remove its expectation"


@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_has_an_expectation_for_all_that_is_described(attacked: Stack, service: str) -> None:
    async with Api.open(attacked.service_url(service)) as api:
        described = (await api.get("/openapi.json")).json["paths"]
    operations = {(method.upper(), path) for path, methods in described.items() for method in methods}
    known = {
        (method, known)
        for (owner, method, path), rule in RULES.items()
        for known in (path, rule.at_gateway.format(service=owner))
    }
    assert operations - known == set()


HTTP = [key for key in RULES if key[1] != SOCKET]
SOCKETS = [key for key in RULES if key[1] == SOCKET]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("service", "method", "path"), HTTP, ids=[" ".join(key) for key in HTTP])
async def test_authorization_matrix(world: World, service: str, method: str, path: str) -> None:
    rule = RULES[service, method, path]
    callers = [*world.callers, *service_callers(world.stack, service)]
    async with world.api(OWNER) as owner, world.api(OPERATOR) as operator, Api.open("") as api:
        values = world.values | (await rule.make(world, owner, operator) if rule.make else {})
        knock = Knock(world.stack, api, service, method, path, rule)
        wrong = await knock.all_that_are_refused(callers, values)
        succeeded = 0
        for caller in callers:
            for door, prefix in knock.canonical_doors() if knock.passes(caller) else ():
                if rule.make:
                    values |= await rule.make(world, owner, operator)
                own = await _signed_in_anew(world, caller) if rule.ends_session else caller
                status = await knock.once(door, prefix, own, values)
                succeeded += status < 400
                if status in (401, 403, 404, 429) or status >= 500:
                    wrong.append(f"{caller.name} at {door}{prefix}: {status}")
    assert not wrong, "\n".join(wrong)
    assert succeeded, "nobody succeeded: the request proves nothing"


async def _signed_in_anew(world: World, caller: Caller) -> Caller:
    token = await world.stack.token(EMAILS[caller.kind])
    return caller._replace(headers=caller.headers | {"Authorization": f"Bearer {token}"})


class Knock:
    """One route, and requests to it."""

    def __init__(self, stack: Stack, api: Api, service: str, method: str, path: str, rule: Rule) -> None:
        self._stack, self._api, self._service, self._rule = stack, api, service, rule
        self._method, self._path = method, path

    def canonical_doors(self) -> list[tuple[str, str]]:
        """(address, path) of the service's own door and, if it leads there, the gateway."""
        own = (self._stack.service_url(self._service), self._path)
        return [own, (self._stack.url, self._rule.at_gateway or self._path)] if self._rule.routed else [own]

    def short_doors(self) -> list[tuple[str, str]]:
        """The same at the gateway under its shorter names."""
        api, _, rest = self._path.rpartition("/api/v1") if "/api/v1" in self._path else ("", "", "")
        if not rest or not self._rule.routed or self._rule.at_gateway:
            return []
        return [(self._stack.url, api + prefix + rest) for prefix in ("", "/api")]

    async def all_that_are_refused(self, callers: list[Caller], values: Values) -> list[str]:
        """What went wrong with those who must not pass."""
        refused = [caller for caller in callers if not self.passes(caller)]
        expected = {caller.name: self._refusal(caller) for caller in refused}
        cases = [(*door, caller) for door in self.canonical_doors() + self.short_doors() for caller in refused]
        if not self._rule.routed and self._path not in SHADOWED | GATEWAY_OWN:
            expected |= {caller.name: expected.get(caller.name, 404) for caller in callers}
            cases += [(self._stack.url, self._path, caller) for caller in callers]
        limit = asyncio.Semaphore(AT_ONCE)

        async def judge(door: str, path: str, caller: Caller) -> str | None:
            async with limit:
                status = await self.once(door, path, caller, values)
            unrouted = door == self._stack.url and not self._rule.routed
            wanted = 404 if unrouted else expected[caller.name]
            return None if status == wanted else f"{caller.name} at {door}{path}: {status}, not {wanted}"

        return [wrong for wrong in await asyncio.gather(*(judge(*case) for case in cases)) if wrong]

    def passes(self, caller: Caller) -> bool:
        return self._taken_for(caller) in self._rule.passes

    def _taken_for(self, caller: Caller) -> str:
        """What a page does with the owner's cookie cannot be told from the owner, as long as nothing changes.

        The provider knows no sessions: to it nobody is signed out before the token is over.
        """
        if caller.kind == PAGE and self._method in SAFE:
            return OWNER
        return ADMIN if caller.name == SIGNED_OUT and self._service == "psp" else caller.kind

    def _refusal(self, caller: Caller) -> int:
        kind = self._taken_for(caller)
        if kind in self._rule.hidden:
            return 404
        merchants_only = self._service == "psp" and self._path.startswith("/v1/")
        return 401 if kind in (NOBODY, MERCHANT) or merchants_only else 403

    async def once(self, door: str, path: str, caller: Caller, values: Values) -> int:
        """The status of one request."""
        body = self._rule.body(values) if self._rule.body else None
        address = door + _concrete(path).format(service=self._service, rest="orders", **values)
        return (await self._api.call(self._method, address, body, **_named(caller))).status


def _concrete(path: str) -> str:
    return path.replace("/static/*", "/static/docs.html").replace("/openapi/*", "/openapi/orders.json")


def _named(caller: Caller) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in caller.headers.items()}


# --- WebSockets


@pytest.mark.parametrize(("service", "method", "path"), SOCKETS, ids=[path for _, _, path in SOCKETS])
async def test_authorization_matrix_of_the_live_streams(world: World, service: str, method: str, path: str) -> None:
    rule = RULES[service, method, path]
    wrong = []
    for door in (world.stack.url, world.stack.service_url(service)):
        for caller in [*world.callers, *service_callers(world.stack, service)]:
            status = await _handshake(door + path, caller)
            kind = OWNER if caller.kind == PAGE else caller.kind
            wanted = 101 if kind in rule.passes else 401 if kind in (NOBODY, MERCHANT) else 403
            if status != wanted:
                wrong.append(f"{caller.name} at {door}: {status}, not {wanted}")
    assert not wrong, "\n".join(wrong)


async def _handshake(url: str, caller: Caller) -> int:
    try:
        async with connect(url.replace("http", "ws"), additional_headers=caller.headers, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_authorization_matrix_of_what_is_told_live(world: World) -> None:
    """Everything ever told, asked for by another customer: nothing of the owner's."""
    url = f"{world.stack.url.replace('http', 'ws')}/ws?lastEventId=0"

    async def heard(kind: str, until: str) -> list[str]:
        """Customers whose events `kind` is told, up to the order `until`."""
        customers = []
        headers = {"Authorization": f"Bearer {world.people[kind]}"}
        async with connect(url, additional_headers=headers, proxy=None, max_queue=None) as socket, asyncio.timeout(60):
            while True:
                event: dict[str, Any] = json.loads(await socket.recv())
                customers.append(str(event["data"].get("customerId")))
                if event["subject"] == until:
                    return customers

    async with world.api(OTHER) as grace:
        order = (await place(grace, {"MATRIX": 1}, customer="CUST-002")).json
    assert "CUST-001" in await heard(OPERATOR, order["id"])
    assert set(await heard(OTHER, order["id"])) <= {"CUST-002", "None"}


# --- lists


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/notifications"])
async def test_authorization_matrix_of_lists(world: World, path: str) -> None:
    """Another customer's objects are in no list, however it is asked for."""
    async with world.api(OPERATOR) as operator, world.api(OTHER) as grace:
        assert (await operator.get(f"{path}?customerId=CUST-001")).json["items"]
        for query in ("", "?customerId=CUST-001", "?customerId=CUST-001&customerId=CUST-002", "?limit=200"):
            items = (await grace.get(path + query)).json["items"]
            assert {item["customerId"] for item in items} <= {"CUST-002"}, query


def test_authorization_matrix_expects_the_gateway_to_know_the_way_to_every_public_resource() -> None:
    """What the topology opens and what is expected to be open are written down apart, and agree."""
    for process in PUBLIC:
        for resource in process.resources:
            paths = [rule for (_, _, path), rule in RULES.items() if path.startswith(f"/api/v1/{resource}")]
            assert paths
            assert all(rule.routed for rule in paths)
