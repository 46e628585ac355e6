"""Pages of other sites: only listed origins may call, and no page ever with the visitor's
cookies.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.api import Answer, Api
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.chassis.base.settings import ServiceSettings, SettingsError, load

SHOP: Final = "https://shop.example"
ELSEWHERE: Final = (
    "https://evil.example",
    "https://shop.example.evil.example",
    "http://shop.example",
    "null",
    "*",
)
ALLOWED: Final = "access-control-allow-origin"
USERS: Final = "/api/v1/users"


@pytest.fixture(scope="module")
def named(identities: Identities, postgres: PostgresServer) -> Iterator[Process]:
    _, url = postgres.fresh_database("users")
    with running(
        "users", identities, database_url=url, cors_origins=f"{SHOP},http://localhost:3000"
    ) as process:
        yield process


@pytest.fixture(scope="module")
def unnamed(identities: Identities, postgres: PostgresServer) -> Iterator[Process]:
    _, url = postgres.fresh_database("users")
    with running("users", identities, database_url=url) as process:
        yield process


async def _preflight(api: Api, origin: str, method: str = "GET") -> Answer:
    return await api.call(
        "OPTIONS",
        USERS,
        Origin=origin,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers="authorization",
    )


def _cross_origin(answer: Answer) -> dict[str, str]:
    return {
        name: value for name, value in answer.headers.items() if name.startswith("access-control-")
    }


async def test_a_page_that_is_named_may_call_and_read(
    named: Process, identities: Identities
) -> None:
    async with Api.open(named.url) as api:
        for origin in (SHOP, "http://localhost:3000"):
            asked = await _preflight(api, origin)
            assert (asked.status, asked.headers["vary"]) == (204, "Origin")
            headers = _cross_origin(asked)
            assert headers[ALLOWED] == origin
            assert headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
            assert {"authorization", "content-type", "idempotency-key", "if-match"} <= set(
                headers["access-control-allow-headers"].split(", ")
            )
            assert "access-control-allow-credentials" not in headers
            for token, status in ((identities.person("admin"), 200), ("guess", 401)):
                answer = await api.call("GET", USERS, token=token, Origin=origin)
                assert (answer.status, answer.headers[ALLOWED], answer.headers["vary"]) == (
                    status,
                    origin,
                    "Origin",
                )
                exposed = answer.headers["access-control-expose-headers"].split(", ")
                assert {
                    "trace-id",
                    "location",
                    "etag",
                    "retry-after",
                    "ratelimit",
                    "idempotent-replayed",
                } <= {name.lower() for name in exposed}
                assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_no_other_page_is_allowed_anything(
    named: Process, identities: Identities, origin: str
) -> None:
    async with Api.open(named.url) as api:
        asked = await _preflight(api, origin)
        answer = await api.call("GET", USERS, token=identities.person("admin"), Origin=origin)
        assert (asked.status, _cross_origin(asked), answer.status, _cross_origin(answer)) == (
            204,
            {},
            200,
            {},
        )
        assert answer.headers["vary"] == "Origin", (
            "a cache must not serve one page the answer for another"
        )


async def test_by_default_no_page_is_named(unnamed: Process, identities: Identities) -> None:
    async with Api.open(unnamed.url) as api:
        asked = await _preflight(api, SHOP)
        answer = await api.call("GET", USERS, token=identities.person("admin"), Origin=SHOP)
        assert (_cross_origin(asked), _cross_origin(answer)) == ({}, {})
        assert "vary" not in answer.headers


WRONG: Final = [
    *(
        "*",
        "https://*.shop.example",
        "shop.example",
        "https://shop.example/",
        "https://shop.example/page",
        "null",
    ),
    *(
        "HTTPS://shop.example",
        "https://Shop.example",
        "https://ada@shop.example",
        "ftp://shop.example",
        "https://",
    ),
]


@pytest.mark.parametrize("origin", WRONG)
def test_what_is_no_origin_is_refused_at_the_start(origin: str, tmp_path: Any) -> None:
    environ = {
        "VALERIX_PORT": "1",
        "VALERIX_KEYS_FILE": str(tmp_path),
        "VALERIX_CORS_ORIGINS": f"{SHOP},{origin}",
    }
    with pytest.raises(
        SettingsError,
        match=r"^VALERIX_CORS_ORIGINS expects origins as browsers send them, e\.g\. https://",
    ) as refused:
        load(ServiceSettings, environ)
    assert str(refused.value).endswith(f"not {origin}")
