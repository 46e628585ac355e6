"""Sends requests to one route as every caller, and collects wrong answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

from tests.matrix.callers import ADMIN, MERCHANT, OPERATOR, OWNER, PAGE, UNAUTHENTICATED, Caller
from tests.matrix.expectations import RULES, Rule
from tests.matrix.world import EMAILS, SIGNED_OUT, Platform, Values, World, service_callers, token
from tests.support.api import Api
from valerix.chassis.http.route_table import SOCKET

Key = tuple[str, str, str]
"""Service, method, path."""
HTTP: list[Key] = [key for key in RULES if key[1] != SOCKET]
SOCKETS: list[Key] = [key for key in RULES if key[1] == SOCKET]
SAFE = ("GET", "HEAD", SOCKET)
AT_ONCE = 8
BY_PREFIX = re.compile(r"^(/static/|/openapi/).*")
CONCRETE: Final = {
    "/static/*": "/static/docs.html",
    "/openapi/*": "/openapi/orders.json",
    **{path: f"{path}?name[]=python_info" for path in ("/metrics", "/actuator/prometheus")},
}
PLATFORM_OWN = {"/health", "/openapi.json", "/asyncapi.json"}
"""Paths of every service that the gateway answers itself, for the platform."""


class Address(NamedTuple):
    url: str
    path: str


class Case(NamedTuple):
    """One request and its required status."""

    address: Address
    caller: Caller
    wanted: int


class Knock:
    """Requests to one route."""

    def __init__(self, platform: Platform, api: Api, key: Key) -> None:
        self._platform, self._api = platform, api
        self._service, self._method, self._path = key
        self.rule: Rule = RULES[key]

    @property
    def own_address(self) -> Address:
        """The route's address at the service's own port."""
        return Address(self._platform.service_url(self._service), self._path)

    @property
    def gateway_address(self) -> Address:
        """The route's address at the gateway, by the canonical path."""
        return Address(self._platform.url, self.rule.at_gateway or self._path)

    @property
    def canonical_addresses(self) -> list[Address]:
        at_gateway = self._platform.has_gateway and self.rule.routed
        return [self.own_address, self.gateway_address] if at_gateway else [self.own_address]

    @property
    def short_addresses(self) -> list[Address]:
        """The route's addresses at the gateway, by the shorter forms of the path."""
        start, _, rest = self._path.rpartition("/api/v1")
        if (
            not self._platform.has_gateway
            or not self.rule.routed
            or self.rule.at_gateway
            or rest == self._path
        ):
            return []
        return [Address(self._platform.url, start + prefix + rest) for prefix in ("", "/api")]

    async def all_that_are_refused(self, callers: list[Caller], values: Values) -> list[str]:
        """Sends every request that must be refused; returns the wrong answers."""
        cases = [
            Case(address, caller, self.refusal(caller))
            for address in self.canonical_addresses + self.short_addresses
            for caller in callers
            if not self.passes(caller)
        ]
        return await self.judge(cases + self._unrouted(callers), values)

    def _unrouted(self, callers: list[Caller]) -> list[Case]:
        """Returns requests to internal routes: the gateway does not route them, not even for
        callers that the service admits.
        """
        if not self._platform.has_gateway or self.rule.routed or self._path in PLATFORM_OWN:
            return []
        return [Case(Address(self._platform.url, self._path), caller, 404) for caller in callers]

    async def judge(self, cases: Iterable[Case], values: Values) -> list[str]:
        """Sends the requests, some concurrently; returns the wrong answers."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> str | None:
            async with limit:
                status = await self.once(case.address, case.caller, values)
            url = "".join(case.address)
            return (
                None
                if status == case.wanted
                else f"{case.caller.name} at {url}: {status}, not {case.wanted}"
            )

        return [wrong for wrong in await asyncio.gather(*map(one, cases)) if wrong]

    def passes(self, caller: Caller) -> bool:
        return self._taken_for(caller) in self.rule.passes

    def refusal(self, caller: Caller) -> int:
        """Returns the status of a refusal of this caller."""
        kind = self._taken_for(caller)
        if kind in self.rule.hidden:
            return 404
        merchants_only = self._service == "psp" and self._path.startswith("/v1/")
        return 401 if kind in (UNAUTHENTICATED, MERCHANT) or merchants_only else 403

    def _taken_for(self, caller: Caller) -> str:
        """Returns the identity that the service sees: a page with the owner's cookie looks like the
        owner on reads.

        The provider has no sessions: it accepts the token of an ended session until it expires.
        """
        if caller.kind == PAGE and self._method in SAFE:
            return OWNER
        known = self._service == "psp" and self._method != "PUT"  # users refuses to record its acts
        return ADMIN if caller.name == SIGNED_OUT and known else caller.kind

    async def once(self, address: Address, caller: Caller, values: Values) -> int:
        """Sends one request; returns the status."""
        body = self.rule.body(values) if self.rule.body else None
        url = address.url + _concrete(address.path).format(
            service=self._service, rest="orders", **values
        )
        return (await self._api.call(self._method, url, body, **_named(caller))).status


def _concrete(path: str) -> str:
    """Fills the path in; requests a single metric, because writing all of them takes longer than
    all other calls.
    """
    return CONCRETE.get(path, path)


def _named(caller: Caller) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in caller.headers.items()}


HEALTH: Final = {("GET", "/ready"), ("GET", "/health/deep")}
"""A permitted caller may get 503, too: on a busy machine, a check takes longer than its two
seconds.
"""


def is_failure(key: Key, status: int) -> bool:
    """Whether this status is wrong for a permitted caller of the route."""
    return status in (401, 403, 404, 429) or (
        status >= 500 and not (status == 503 and key[1:] in HEALTH)
    )


# --- every caller at one route


async def assert_route(world: World, key: Key) -> None:
    """Asserts that the route refuses every caller except the permitted ones, and admits those."""
    callers = [*world.callers, *service_callers(world.platform, key[0])]
    async with (
        world.api(OWNER) as owner,
        world.api(OPERATOR) as operator,
        world.platform.open("") as api,
    ):
        knock = Knock(world.platform, api, key)
        fresh = partial(fresh_values, world, RULES[key], owner, operator)
        wrong = await knock.all_that_are_refused(callers, await fresh())
        answers = await _answers(world, knock, filter(knock.passes, callers), fresh)
    wrong += [f"{request}: {status}" for request, status in answers if is_failure(key, status)]
    assert not wrong, "\n".join(wrong)
    assert any(status < 400 for _, status in answers), (
        "no request succeeded: the test proves nothing"
    )


async def fresh_values(world: World, rule: Rule, owner: Api, operator: Api) -> Values:
    """Returns the world's values, with new objects in place of those that the call uses up."""
    return world.values | (await rule.make(world, owner, operator) if rule.make else {})


async def _answers(
    world: World, knock: Knock, callers: Iterable[Caller], fresh: Callable[[], Awaitable[Values]]
) -> list[tuple[str, int]]:
    """Returns each caller's answer at each canonical address, sequentially, with separate
    values.
    """
    return [
        (
            f"{caller.name} at {''.join(address)}",
            await knock.once(address, await for_one_call(world, knock.rule, caller), await fresh()),
        )
        for caller in callers
        for address in knock.canonical_addresses
    ]


async def for_one_call(world: World, rule: Rule, caller: Caller) -> Caller:
    """Returns the caller, with a new session if the call ends it."""
    if not rule.ends_session:
        return caller
    fresh = await token(world.platform, EMAILS[caller.kind])
    return caller._replace(headers=caller.headers | {"Authorization": f"Bearer {fresh}"})


# --- routes to test


async def assert_every_route_is_expected(platform: Platform, service: str) -> None:
    expected = {(method, path) for name, method, path in RULES if name == service}
    found = await _running_routes(platform, service)
    assert found - expected == set(), "list the permitted callers in tests/matrix/expectations.py"
    assert expected - found == set(), "the route no longer exists: remove its expectation"


async def _running_routes(platform: Platform, service: str) -> set[tuple[str, str]]:
    """Returns (method, path) of the running service's routes; for files, their folder."""
    async with platform.open(platform.service_url(service)) as api:
        admin = await token(platform, EMAILS[ADMIN])
        answer = await api.call("GET", "/internal/v1/routes", Authorization=f"Bearer {admin}")
    assert answer.status == 200, answer.body
    return {(entry["method"], BY_PREFIX.sub(r"\1*", entry["path"])) for entry in answer.json}


async def assert_all_that_is_described_is_expected(platform: Platform, service: str) -> None:
    async with platform.open(platform.service_url(service)) as api:
        described = (await api.get("/openapi.json")).json["paths"]
    operations = {
        (method.upper(), path) for path, methods in described.items() for method in methods
    }
    known = {
        (method, known)
        for (owner, method, path), rule in RULES.items()
        for known in (path, rule.at_gateway.format(service=owner))
    }
    assert operations - known == set()


# --- WebSockets


async def assert_handshakes(world: World, key: Key) -> None:
    """Asserts the status of every caller's WebSocket handshake, at the gateway and at the service's
    own port.
    """
    service, _, path = key
    gateway = [world.platform.url] if world.platform.has_gateway else []
    wrong = []
    for url in [*gateway, world.platform.service_url(service)]:
        for caller in [*world.callers, *service_callers(world.platform, service)]:
            status, wanted = (
                await world.platform.handshake(url + path, caller.headers),
                _answer(key, caller),
            )
            if status != wanted:
                wrong.append(f"{caller.name} at {url}: {status}, not {wanted}")
    assert not wrong, "\n".join(wrong)


def _answer(key: Key, caller: Caller) -> int:
    """Returns the required status of a handshake."""
    kind = OWNER if caller.kind == PAGE else caller.kind
    if kind in RULES[key].passes:
        return 101
    return 401 if kind in (UNAUTHENTICATED, MERCHANT) else 403
