"""Every path of every service: HEAD is GET without its body; OPTIONS and 405 list the methods."""

from collections import defaultdict
from typing import Any, Final

import pytest

from tests.matrix.callers import ADMIN, OPERATOR, OWNER
from tests.matrix.expectations import RULES
from tests.matrix.in_process import InProcess
from tests.matrix.knock import HTTP, Key, Knock, _concrete, _named, fresh_values
from tests.matrix.world import World, service_callers
from tests.support.api import Answer
from tests.support.shop import place

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The services declare parameters in the form of Litestar 2; served processes do not show these
    # warnings.
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]

CHANGING: Final = frozenset({"content-length", "trace-id", "ratelimit"})
"""Headers that differ between two requests."""
READS: Final = [key for key in HTTP if key[1] == "GET"]
PATHS: Final = sorted({(service, path) for service, _, path in HTTP})
METHODS: dict[tuple[str, str], set[str]] = defaultdict(lambda: {"OPTIONS"})
for _service, _method, _path in HTTP:
    METHODS[_service, _path] |= {"GET", "HEAD"} if _method == "GET" else {_method}


def _url(world: World, service: str, path: str) -> str:
    url = world.platform.service_url(service) + _concrete(path)
    return url.format_map(defaultdict(lambda: "orders", world.values))


async def _ask(world: World, method: str, service: str, path: str, **headers: str) -> Answer:
    async with world.platform.open("") as api:
        return await api.call(method, _url(world, service, path), **headers)


@pytest.mark.parametrize("key", READS, ids=" ".join)
async def test_head_is_get_without_its_body(world: World, key: Key) -> None:
    service, _, path = key
    async with world.platform.open("") as api:
        knock = Knock(world.platform, api, key)
        caller = next(
            c
            for c in [*world.callers, *service_callers(world.platform, service)]
            if knock.passes(c)
        )
        answers = [
            await api.call(method, _url(world, service, path), **_named(caller))
            for method in ("GET", "HEAD", "GET")
        ]
    first, head, _ = (
        {n: v for n, v in answer.headers.items() if n not in CHANGING} for answer in answers
    )
    assert (answers[1].status, head) == (answers[0].status, first)
    assert answers[1].body == b""
    if path.endswith(("/metrics", "/prometheus")):
        return  # the length of each answer differs
    lengths = [answer.headers.get("content-length") for answer in answers]
    assert lengths[1] == lengths[0] or lengths[0] != lengths[2], (
        "HEAD must have the length of GET, if GET has a constant one"
    )


@pytest.mark.parametrize(("service", "path"), PATHS, ids=str)
async def test_a_path_says_which_methods_it_has(world: World, service: str, path: str) -> None:
    methods = METHODS[service, path]
    allow = ", ".join(sorted(methods))
    answer = await _ask(world, "OPTIONS", service, path)
    assert (answer.status, answer.headers["allow"], answer.body) == (204, allow, b"")
    assert not {"content-type", "content-length"} & answer.headers.keys()
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
        refused = await _ask(world, method, service, path)
        assert (refused.status, refused.headers["allow"]) == (405, allow), method
        assert method == "HEAD" or refused.json["code"] == "method_not_allowed"


async def test_a_path_that_does_not_exist_has_no_methods(world: World) -> None:
    for method in ("OPTIONS", "GET", "BREW"):
        answer = await _ask(world, method, "orders", "/api/v1/orderz")
        assert (answer.status, answer.json["code"]) == (404, "not_found")


# --- conditional reading


PLATFORM: Final = ("/api/v1/chaos", "/api/v1/resilience")
CONDITIONAL: Final = {
    ("orders", "/api/v1/orders/{order_id}"),
    ("inventory", "/api/v1/products/{sku}"),
    ("users", "/api/v1/users/me"),
    ("users", "/api/v1/users/{user_id}"),
}


async def test_what_has_not_changed_is_not_sent_again(world: World) -> None:
    found = set()
    for key in READS:
        service, _, path = key
        if not RULES[key].routed or not path.startswith("/api/v1/") or path.startswith(PLATFORM):
            continue
        async with world.api(OWNER) as owner, world.api(ADMIN) as operator:
            values = await fresh_values(world, RULES[key], owner, operator)
            url = _concrete(path).format(service=service, rest="orders", **values)
            answer = await operator.get(url)
            tag = answer.headers.get("etag")
            if tag is None:
                continue
            found.add((service, path))
            for known in (tag, f'"other", W/{tag}', "*"):
                for method in ("GET", "HEAD"):
                    again = await operator.call(method, url, if_none_match=known)
                    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
                    assert not {"content-type", "content-length"} & again.headers.keys()
            other = await operator.call("GET", url, if_none_match=f'"{tag[1:-2]}"')
            assert (other.status, other.body) == (200, answer.body)
    assert found == CONDITIONAL


async def test_the_tag_is_one_of_the_whole_representation_for_its_reader(world: World) -> None:
    """Staff reads a different representation than the customer; a change is accepted with the tag
    of either.
    """
    async with world.api(OWNER) as owner, world.api(OPERATOR) as operator:
        order = (await place(owner, {world.values["plenty"]: 1})).json
        path = f"/api/v1/orders/{order['id']}"
        tags = {}
        for name, api in (("owner", owner), ("operator", operator)):
            answer = await api.get(path)
            tags[answer.body] = answer.headers["etag"]
            assert answer.headers["etag"].startswith(f'"{order["version"]}-'), name
        assert len(set(tags.values())) == len(tags)
        tag = next(iter(tags.values()))
        body = {
            "shippingAddress": {
                "name": "Ada",
                "street": "New Street 1",
                "city": "Town",
                "country": "GB",
            }
        }
        changed = await owner.call("PUT", path, body, if_match=tag)
        assert changed.status == 200, changed.body
        assert (await owner.call("PUT", path, body, if_match=tag)).status == 412
        assert (await owner.call("GET", path, if_none_match=tag)).status == 200


# --- challenges (RFC 6750, section 3)


async def test_a_refusal_says_what_is_wrong_with_the_token(world: World) -> None:
    async with world.platform.open(world.platform.url) as api:
        bare = await api.get("/api/v1/orders")
        wrong = await api.get("/api/v1/orders", token="a.b.c")
    async with world.api(OWNER) as owner:
        short = await owner.get("/api/v1/users")
    challenges = [
        (answer.status, answer.headers["www-authenticate"]) for answer in (bare, wrong, short)
    ]
    assert challenges == [
        (401, 'Bearer realm="valerix"'),
        (401, 'Bearer realm="valerix", error="invalid_token"'),
        (403, 'Bearer realm="valerix", error="insufficient_scope"'),
    ]


async def test_what_is_created_says_where_it_is(world: World, platform: InProcess) -> None:
    """Location is the address of the created object."""
    number = world.values["order_id"][-6:]
    made: list[tuple[str, dict[str, Any]]] = [
        (
            "/api/v1/orders",
            {
                "customerId": "CUST-001",
                "items": [{"productId": world.values["plenty"], "quantity": 1}],
            },
        ),
        (
            "/api/v1/products",
            {
                "productId": f"MADE-{number}",
                "name": "Made",
                "price": {"amountMinor": 5, "currency": "USD"},
            },
        ),
        (
            "/api/v1/warehouses",
            {"warehouseId": f"WH-{number.upper()}", "name": "Made", "priority": 9},
        ),
        (
            "/api/v1/notifications/send",
            {"customerId": "CUST-001", "channel": "email", "subject": "Hello", "body": "Hello"},
        ),
        (
            "/api/v1/users/register",
            {
                "email": f"made-{number}@example.com",
                "password": "a long enough secret 1",
                "name": "Made",
            },
        ),
    ]
    async with world.api(ADMIN) as admin:
        for path, body in made:
            answer = await admin.post(path, body)
            assert answer.status in (201, 202), (path, answer.body)
            assert "location" in answer.headers, path
            assert (await admin.get(answer.headers["location"])).status == 200, path
