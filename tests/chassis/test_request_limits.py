"""The limits at the edge of a real service, from the side of its callers."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.processes import Process, running
from valerix.contracts.commands import CHECK_CUSTOMERS


@pytest.fixture
def users(identities: Identities, database_url: Callable[..., str]) -> Iterator[Process]:
    with running(
        "users", identities, database_url=database_url("users"), user_limit=5, address_limit=12
    ) as process:
        yield process


async def test_a_person_is_told_what_is_left_and_then_refused(
    users: Process, identities: Identities
) -> None:
    ada, grace = (identities.person("admin", subject=name) for name in ("ada", "grace"))
    async with Api.open(users.url) as api:
        answers = [await api.get("/api/v1/users", token=ada) for _ in range(6)]
        assert [answer.status for answer in answers] == [200] * 5 + [429]
        assert answers[0].headers["ratelimit-policy"] == '"user";q=5;w=60'
        assert answers[0].headers["ratelimit"].startswith('"user";r=4;t=')
        refused = answers[-1]
        assert refused.json["code"] == "rate_limited"
        assert refused.headers["ratelimit"].startswith('"user";r=0;t=')
        assert 1 <= int(refused.headers["retry-after"]) <= 12
        assert (await api.get("/api/v1/users", token=grace)).status == 200


async def test_an_address_is_limited_whoever_it_says_to_be(
    users: Process, identities: Identities
) -> None:
    async with Api.open(users.url) as api:
        bad = [await api.get("/api/v1/users", token=f"guess.{number}.x") for number in range(13)]
        assert [answer.status for answer in bad] == [401] * 12 + [429]
        assert (await api.get("/api/v1/users", token=identities.person("admin"))).status == 429
        assert (await api.get("/.well-known/jwks.json")).status == 429
        elsewhere = await api.call(
            "GET", "/.well-known/jwks.json", X_Forwarded_For="10.0.0.1, 10.9.8.7"
        )
        assert elsewhere.status == 200
        assert elsewhere.headers["ratelimit"].startswith('"address";r=11;t=')


async def test_one_host_has_one_limit_whichever_of_its_ipv6_addresses_it_uses(
    users: Process,
) -> None:
    async with Api.open(users.url) as api:
        keys = [
            await api.call(
                "GET", "/.well-known/jwks.json", X_Forwarded_For=f"2001:db8:0:1::{number}"
            )
            for number in range(1, 14)
        ]
        assert [answer.status for answer in keys] == [200] * 12 + [429]
        refused = keys[-1].headers
        assert refused["ratelimit"] == f'"address";r=0;t={refused["retry-after"]}'
        neighbour = await api.call(
            "GET", "/.well-known/jwks.json", X_Forwarded_For="2001:db8:0:2::1"
        )
        assert neighbour.status == 200


async def test_services_and_probes_are_not_counted(users: Process, identities: Identities) -> None:
    orders = identities.service("orders", "users")
    async with Api.open(users.url) as api:
        for _ in range(40):
            assert (
                await api.post(CHECK_CUSTOMERS, {"customerIds": []}, token=orders)
            ).status == 200
            assert (await api.get("/health")).status == 200
        assert "ratelimit" not in (await api.get("/health")).headers
