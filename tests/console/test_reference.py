"""The API reference, served by a real console from real services."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running

STATIC = Path(str(resources.files("valerix.console"))) / "static"
DOWN = "http://127.0.0.1:9"
"""The discard port: no process listens."""
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@pytest.fixture(scope="module")
def services(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Process]]:
    """Users and inventory are up, orders and payments are not."""
    identities = Identities(tmp_path_factory.mktemp("console"))
    users, inventory = (postgres.fresh_database(name) for name in ("users", "inventory"))
    with (
        running("users", identities, database_url=users[1]) as users_process,
        running(
            "inventory", identities, database_url=inventory[1], orders_url=DOWN
        ) as inventory_process,
        running(
            "console",
            identities,
            users_url=users_process.url,
            inventory_url=inventory_process.url,
            orders_url=DOWN,
            payments_url=DOWN,
            notifications_url=DOWN,
            reference_ttl_seconds=0,
        ) as console,
    ):
        yield {"users": users_process, "inventory": inventory_process, "console": console}
    for name, _ in (users, inventory):
        postgres.drop(name)


@pytest.fixture
async def console(services: dict[str, Process]) -> AsyncIterator[Api]:
    async with Api.open(services["console"].url) as api:
        yield api


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method, path) for path, item in document["paths"].items() for method in item}


def as_routed(path: str, service: str) -> str:
    """Paths that every service has are routed by the service's name."""
    named = {f"/api/v1/{what}": f"/api/v1/{what}/{service}" for what in ("chaos", "resilience")}
    return {**named, "/api/v1/chaos/all": "/api/v1/chaos"}.get(path, path)


# --- the documents


async def test_the_merged_description_holds_every_public_operation_of_the_services_that_answer(
    console: Api, services: dict[str, Process]
) -> None:
    merged = (await console.get("/openapi.json")).json
    assert list(OpenAPIV31SpecValidator(merged).iter_errors()) == []
    described: set[tuple[str, str]] = set()
    for name in ("users", "inventory"):
        async with Api.open(services[name].url) as service:
            own = operations((await service.get("/openapi.json")).json)
        described |= {(method, as_routed(path, name)) for method, path in own}
    private = {("get", path) for path in ("/health", "/ready", "/health/deep")}
    assert private < described
    chaos = {(method, path) for method, path in described if path.startswith("/api/v1/chaos")}
    assert chaos
    assert operations(merged) == described - private - chaos


async def test_services_that_are_down_are_named_and_do_not_take_the_reference_down(
    console: Api,
) -> None:
    described = (await console.get("/openapi.json")).json["info"]["description"]
    assert "left out: orders, payments, notifications." in described
    own = await console.get("/openapi/orders.json")
    assert (own.status, own.json["code"]) == (503, "service_silent")
    assert own.headers["retry-after"]


async def test_each_service_can_be_read_alone(console: Api, services: dict[str, Process]) -> None:
    async with Api.open(services["users"].url) as users:
        assert (await console.get("/openapi/users.json")).json == (
            await users.get("/openapi.json")
        ).json
    assert (await console.get("/openapi/nobody.json")).status == 404


async def test_the_events_of_the_services_that_answer_are_described_together(
    console: Api, services: dict[str, Process]
) -> None:
    merged = (await console.get("/asyncapi.json")).json
    assert "left out: orders, payments, notifications." in merged["info"]["description"]
    assert set(merged["channels"]) == {"users", "acts", "inventory"}
    async with Api.open(services["users"].url) as users:
        own = (await users.get("/asyncapi.json")).json
    assert merged["channels"]["users"] == own["channels"]["users"]
    assert merged["components"]["messages"].items() > own["components"]["messages"].items()
    assert "/asyncapi.json" in (await console.get("/openapi.json")).json["info"]["description"]


async def test_operations_say_whether_they_need_a_token_and_that_errors_are_problems(
    console: Api,
) -> None:
    paths = (await console.get("/openapi.json")).json["paths"]
    assert paths["/api/v1/users/me"]["get"]["security"] == [{"bearer": []}]
    assert paths["/api/v1/users/login"]["post"]["security"] == []
    problem = {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    }
    responses = paths["/api/v1/users"]["get"]["responses"]
    assert [responses[status]["content"] for status in ("400", "401", "403", "default")] == [
        problem
    ] * 4


async def test_the_console_is_ready_whoever_else_is_not(console: Api) -> None:
    assert (await console.get("/ready")).status == 200
    deep = await console.get("/health/deep")
    assert deep.status == 503
    assert {name for name, check in deep.json["checks"].items() if check["status"] == "ok"} == {
        "users",
        "inventory",
        "jobs",
    }


# --- the page


async def test_the_type_of_a_problem_leads_to_its_place_on_a_page(
    console: Api, services: dict[str, Process]
) -> None:
    refused = await console.get("/unknown")
    path, _, code = refused.json["type"].partition("#")
    page = await console.get(path)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    text = page.body.decode()
    assert f'<section id="{code}">' in text
    own = {
        "gateway_timeout",
        "service_silent",
        "email_taken",
        "product_not_found",
        "idempotency_key_reused",
    }
    assert [each for each in own if f'<section id="{each}">' not in text] == []


async def test_the_way_in_leads_to_the_console(console: Api) -> None:
    for path in ("/", "/console"):
        answer = await console.get(path)
        assert (answer.status, answer.headers["location"]) == (302, "/console/")
        assert answer.headers["cache-control"] == "no-store"


async def test_every_address_below_the_console_is_the_console(console: Api) -> None:
    first = await console.get("/console/")
    assert first.body == (STATIC / "index.html").read_bytes()
    for path in ("/console/orders", "/console/orders/4711?status=failed"):
        answer = await console.get(path)
        assert (answer.status, answer.body) == (200, first.body)
        assert answer.headers["content-security-policy"] == first.headers["content-security-policy"]


async def test_the_page_loads_only_our_own_files_under_a_policy_that_allows_no_others(
    console: Api,
) -> None:
    page = await console.get("/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    rules = page.headers["content-security-policy"].split("; ")
    assert dict(rule.split(" ", 1) for rule in rules) == POLICY
    loaded = Loaded()
    loaded.feed(page.body.decode())
    assert not loaded.inline
    assert len(loaded.addresses) == 5
    for address in loaded.addresses:
        assert address.startswith("/static/")
        assert (await console.get(address)).status == 200


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/static/docs.js", "text/javascript; charset=utf-8"),
        ("/static/docs.css", "text/css; charset=utf-8"),
        ("/static/favicon.svg", "image/svg+xml"),
        ("/static/vendor/SHA256SUMS", "text/plain; charset=utf-8"),
    ],
)
async def test_files_have_their_type_and_are_sent_once(
    console: Api, path: str, media_type: str
) -> None:
    first = await console.get(path)
    assert first.headers["content-type"] == media_type
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.body == (STATIC / path.removeprefix("/static/")).read_bytes()
    etag = first.headers["etag"]
    for known in (etag, f'W/{etag}, "other"'):
        again = await console.call("GET", path, if_none_match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert (await console.call("GET", path, if_none_match='"other"')).status == 200
    head = await console.call("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (
        200,
        b"",
        str(len(first.body)),
    )


async def test_vendored_files_are_kept_by_browsers_and_ours_are_asked_about(console: Api) -> None:
    (bundle,) = STATIC.glob("vendor/*/swagger-ui-bundle.js")
    kept = await console.call("HEAD", f"/static/{bundle.relative_to(STATIC)}")
    assert "immutable" in kept.headers["cache-control"]
    assert (await console.get("/static/docs.js")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static", "/static/"],
)
async def test_nothing_outside_the_folder_is_served(
    services: dict[str, Process], path: str
) -> None:
    async with Api.open(services["console"].url) as api:
        assert (await api.get(path)).status == 404


def test_vendored_files_are_the_ones_that_were_checked_in_with_a_licence() -> None:
    vendor = STATIC / "vendor"
    lines = [line.split("  ") for line in (vendor / "SHA256SUMS").read_text().splitlines()]
    listed = {name: checksum for checksum, name in lines}
    present = {str(file.relative_to(vendor)): file for file in vendor.rglob("*") if file.is_file()}
    del present["SHA256SUMS"]
    assert listed == {
        name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in present.items()
    }
    assert all((folder / "LICENSE").is_file() for folder in vendor.iterdir() if folder.is_dir())


class Loaded(HTMLParser):
    """The files that a page loads, and whether it has inline scripts or styles."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        address = given.get("src") or (given.get("href") if tag == "link" else None)
        if address:
            self.addresses.append(address)
        self.inline |= tag == "style" or (tag == "script" and "src" not in given)
        self.inline |= any(name == "style" or name.startswith("on") for name in given)
