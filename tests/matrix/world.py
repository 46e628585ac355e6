"""Creates the objects and callers of the authorization matrix on a platform."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.matrix.callers import (
    ADMIN,
    MERCHANT,
    OPERATOR,
    OTHER,
    OWNER,
    SPOOFED,
    UNAUTHENTICATED,
    Caller,
    Forger,
    bearing,
    browsers,
    forged,
)
from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, GRACE, new_product, place, routed
from tests.support.stack import OPERATOR as OPERATOR_EMAIL
from valerix.chassis.identity.tokens import TokenIssuer
from valerix.contracts.roles import ServiceName
from valerix.launcher.topology import SERVICES

EMAILS = {OWNER: ADA, OTHER: GRACE, OPERATOR: OPERATOR_EMAIL, ADMIN: "admin@demo.valerix.example"}
TARGETS = [process.name for process in SERVICES]
SIGNED_OUT = "signed out"
PLENTY = "MATRIX"
"""The product of the matrix's orders."""
Values = dict[str, str]


class Platform(Protocol):
    """Running services, and the transport by which requests reach them."""

    @property
    def secrets(self) -> Path:
        """The folder of signing keys and passwords, as the launcher creates it."""

    @property
    def url(self) -> str:
        """The address that serves the public paths of all services."""

    @property
    def has_gateway(self) -> bool:
        """Whether a gateway answers at `url`."""

    def service_url(self, service: str) -> str:
        """Returns the URL of the service's own port."""

    def open(self, url: str, token: str | None = None) -> AbstractAsyncContextManager[Api]:
        """Opens a client of `url`."""

    async def handshake(self, url: str, headers: Mapping[str, str]) -> int:
        """Returns the status of a WebSocket handshake; 101 if it is accepted."""

    async def rows(self, database: str, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Returns rows as the service's own database role sees them."""


@dataclass
class World:
    """One object of every kind, owned by the customer CUST-001 if it has an owner. `values` fills
    paths and bodies.
    """

    platform: Platform
    callers: list[Caller]
    people: dict[str, str]
    """Access tokens."""
    values: Values
    signed_in_at: float
    """Time on the monotonic clock."""

    def api(self, kind: str) -> AbstractAsyncContextManager[Api]:
        """Opens a client of the public paths as a person of this kind."""
        return self.platform.open(self.platform.url, self.people[kind])


async def new_world(platform: Platform) -> World:
    """Creates one object of every kind and signs every person in."""
    return await with_fresh_tokens(platform, await _values(platform))


async def with_fresh_tokens(platform: Platform, values: Values) -> World:
    """Signs in again; `values` has the existing objects."""
    signed_in_at = time.monotonic()
    people = {kind: await token(platform, email) for kind, email in EMAILS.items()}
    keys = platform.secrets
    admin, owner = (Forger(people[kind], keys / "users.jwk") for kind in (ADMIN, OWNER))
    callers = [
        *(bearing(kind, kind, given) for kind, given in people.items()),
        bearing("admin, token taken apart and put together", ADMIN, admin.resigned()),
        bearing("another customer with spoofed identity headers", OTHER, people[OTHER], **SPOOFED),
        bearing("merchant", MERCHANT, secret(platform, "psp")),
        bearing(SIGNED_OUT, UNAUTHENTICATED, await _signed_out(platform)),
        *browsers(owner),
        *forged(
            admin,
            Forger(TokenIssuer(keys / "orders.jwk").for_service("users"), keys / "orders.jwk"),
        ),
    ]
    return World(platform, callers, people, values, signed_in_at)


def service_callers(platform: Platform, target: str) -> list[Caller]:
    """Returns every service with its token for `target`, and tokens of services that must be
    refused.
    """
    genuine = {
        name: TokenIssuer(platform.secrets / f"{name}.jwk").for_service(target)
        for name in ServiceName
    }
    orders, console = (
        Forger(genuine[name], platform.secrets / f"{name}.jwk")
        for name in (ServiceName.ORDERS, ServiceName.CONSOLE)
    )
    elsewhere = "payments" if target != "payments" else "users"
    tokens = {
        "service, token for another": orders.resigned(aud=f"valerix:{elsewhere}"),
        "service, token for the platform's people": orders.resigned(
            sub="valerix:users", role="admin"
        ),
        "service, token that lives too long": orders.resigned(exp=orders.claims["iat"] + 601),
        "service that says it is another": console.resigned(sub="valerix:orders"),
    }
    return [
        *(bearing(f"service {name}", str(name), token) for name, token in genuine.items()),
        *(bearing(name, UNAUTHENTICATED, token) for name, token in tokens.items()),
        Caller(
            "service by cookie",
            UNAUTHENTICATED,
            {"Cookie": f"valerix_access={genuine[ServiceName.ORDERS]}"},
        ),
    ]


async def token(platform: Platform, email: str) -> str:
    """Returns an access token of a demo account."""
    body = {"email": email, "password": secret(platform, "demo")}
    async with platform.open(platform.url) as guest:
        answer = await routed(lambda: guest.post("/api/v1/users/login", body))
    signed_in: str = made(answer)["accessToken"]
    return signed_in


def secret(platform: Platform, name: str) -> str:
    return (platform.secrets / name).read_text()


def made(answer: Answer) -> dict[str, Any]:
    """Returns the document of a successful answer."""
    assert answer.status < 300, answer.body
    document: dict[str, Any] = answer.json
    return document


async def _signed_out(platform: Platform) -> str:
    """Returns an administrator's token of an ended session, once every service refuses it. (The
    provider has no sessions.)
    """
    ended = await token(platform, EMAILS[ADMIN])
    async with platform.open(platform.url, ended) as admin:
        assert (await admin.post("/api/v1/users/logout", None)).status == 204
    async with platform.open("", ended) as api:
        ports = [platform.service_url(name) for name in TARGETS if name != "psp"]

        async def refused() -> bool:
            return {(await api.get(f"{port}/internal/v1/routes")).status for port in ports} == {401}

        await eventually(refused, 60)
    return ended


@asynccontextmanager
async def _signed_in(platform: Platform, kind: str) -> AsyncIterator[Api]:
    async with platform.open(platform.url, await token(platform, EMAILS[kind])) as api:
        yield api


async def _values(platform: Platform) -> Values:
    values: Values = {
        "email": ADA,
        "password": secret(platform, "demo"),
        "customer_id": "CUST-001",
        "plenty": PLENTY,
        "warehouse_id": "WH-EAST",
    }
    async with _signed_in(platform, OWNER) as owner, _signed_in(platform, OPERATOR) as operator:
        await new_product(operator, PLENTY, 10_000)
        values |= await _owned(owner)
    return values | await _charge(platform) | await _letters(platform)


async def _owned(owner: Api) -> Values:
    """Creates order, payment, account and notification of the owner."""
    order = made(await place(owner, {PLENTY: 1}))
    assert order["status"] == "confirmed", order
    return {
        "sku": PLENTY,
        "order_id": order["id"],
        "payment_id": order["paymentId"],
        "user_id": (await owner.get("/api/v1/users/me")).json["id"],
        "notification_id": await eventually(lambda: _first_notification(owner), 60),
    }


async def _first_notification(owner: Api) -> str:
    found = (await owner.get("/api/v1/notifications")).json["items"]
    return found[0]["id"] if found else ""


async def _charge(platform: Platform) -> Values:
    """Creates a charge in the provider's ledger that belongs to no payment."""
    reference = "matrix"
    async with platform.open(platform.service_url("psp"), secret(platform, "psp")) as provider:
        body = {
            "reference": reference,
            "amountMinor": 10_000,
            "currency": "USD",
            "method": "card_ok",
        }
        assert (await provider.post("/v1/charges", body)).status == 201
    return {"charge": reference}


async def _letters(platform: Platform) -> Values:
    """Creates a dead letter with the same number in every service that has dead letters."""
    for name in ("orders", "inventory", "notifications", "users"):
        (letter,) = await platform.rows(
            name,
            "INSERT INTO dead_letters (consumer, event, error, attempts, replayed_at)"
            """ VALUES ($1, '{"type": "test", "subject": "test"}', 'test', 1, now())"""
            " RETURNING id",
            name,
        )
        assert letter["id"] == 1
    return {"letter_id": "1"}
