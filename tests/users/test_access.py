"""Access to users and customers, and the events for other services."""

import asyncio
import re

import pytest
from asyncpg.connection import Connection

from tests.support.api import Api
from tests.support.identities import Identities
from tests.users.conftest import login
from valerix.contracts.commands import CHECK_CUSTOMERS, FIND_CUSTOMERS

UNKNOWN_ID = "0199d1c2-0000-7000-8000-00000000ffff"


async def test_without_a_token_only_the_public_routes_answer(api: Api) -> None:
    closed = [
        "/users",
        "/users/me",
        f"/users/{UNKNOWN_ID}",
        "/customers/CUST-001",
        "/customers/CUST-001/validate",
    ]
    assert {(await api.get("/api/v1" + path)).status for path in closed} == {401}
    assert (await api.get("/.well-known/jwks.json")).status == 200


async def test_only_an_administrator_lists_and_suspends(api: Api) -> None:
    for name in ("ada", "operator"):
        token = await login(api, name)
        assert (await api.get("/api/v1/users", token=token)).status == 403
        path = f"/api/v1/users/{UNKNOWN_ID}/status"
        assert (await api.call("PUT", path, {"status": "suspended"}, token=token)).status == 403


async def test_another_persons_account_looks_as_if_it_did_not_exist(api: Api) -> None:
    admin, ada, operator = [await login(api, name) for name in ("admin", "ada", "operator")]
    (grace,) = (await api.get("/api/v1/users?q=grace", token=admin)).json["items"]
    for token in (ada, operator):
        other = await api.get(f"/api/v1/users/{grace['id']}", token=token)
        nobody = await api.get(f"/api/v1/users/{UNKNOWN_ID}", token=token)
        assert (other.status, nobody.status) == (404, 404)
        assert other.json | {"traceId": ""} == nobody.json | {"traceId": ""}
        body = {"name": "Taken Over", "email": "mine@example.com"}
        assert (
            await api.call("PUT", f"/api/v1/users/{grace['id']}", body, token=token)
        ).status == 404
    assert (await api.get(f"/api/v1/users/{grace['id']}", token=admin)).json == grace
    assert (await api.get("/api/v1/users/not-an-id", token=admin)).status == 404


async def test_a_customer_is_seen_by_staff_and_themself(api: Api, identities: Identities) -> None:
    operator, ada, grace = [await login(api, name) for name in ("operator", "ada", "grace")]
    for token in (operator, ada):
        answer = await api.get("/api/v1/customers/CUST-001", token=token)
        assert (answer.status, answer.json["customerId"], answer.json["name"]) == (
            200,
            "CUST-001",
            "Ada Lovelace",
        )
        assert (await api.get("/api/v1/customers/CUST-001/validate", token=token)).json[
            "valid"
        ] is True
    for path in (
        "/api/v1/customers/CUST-001",
        "/api/v1/customers/CUST-001/validate",
        "/api/v1/customers/CUST-404/validate",
    ):
        assert (await api.get(path, token=grace)).status == 404
    numberless = identities.person("customer", owner_id=None)
    assert (await api.get("/api/v1/customers/CUST-001", token=numberless)).status == 404
    orders = identities.service("orders", "users")
    assert (await api.get("/api/v1/customers/CUST-001", token=orders)).status == 403


async def test_validation_says_why_not(api: Api, identities: Identities) -> None:
    operator = identities.person("operator")
    suspended = await api.get("/api/v1/customers/CUST-010/validate", token=operator)
    assert suspended.json == {"customerId": "CUST-010", "valid": False, "reason": "suspended"}
    unknown = await api.get("/api/v1/customers/CUST-404/validate", token=operator)
    assert unknown.json == {"customerId": "CUST-404", "valid": False, "reason": "unknown"}
    assert (await api.get("/api/v1/customers/CUST-404", token=operator)).status == 404


async def test_the_internal_list_answers_one_standing_per_customer_in_order(
    api: Api, identities: Identities
) -> None:
    orders = identities.service("orders", "users")
    asked = ["CUST-010", "CUST-001", "nobody", "CUST-001"]
    answer = await api.post(CHECK_CUSTOMERS, {"customerIds": asked}, token=orders)
    assert answer.json["outcomes"] == [
        {"customerId": "CUST-010", "valid": False, "reason": "suspended"},
        {"customerId": "CUST-001", "valid": True},
        {"customerId": "nobody", "valid": False, "reason": "unknown"},
        {"customerId": "CUST-001", "valid": True},
    ]
    assert (await api.post(CHECK_CUSTOMERS, {"customerIds": []}, token=orders)).json == {
        "outcomes": []
    }


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("lovelace", ["CUST-001"]),
        ("Ada LOVE", ["CUST-001"]),
        ("love ad", ["CUST-001"]),
        ("ada@demo.valerix.example", ["CUST-001"]),
        ("ada@demo", ["CUST-001"]),
        ("lace", []),
        ("ada hopper", []),
        ("operator", []),
        ("a", []),
        ("", []),
        ("it's \\ 'odd':* & !", []),
    ],
)
async def test_orders_finds_customers_by_how_words_begin(
    api: Api, identities: Identities, search: str, found: list[str]
) -> None:
    answer = await api.post(
        FIND_CUSTOMERS, {"search": search}, token=identities.service("orders", "users")
    )
    assert answer.json == {"customerIds": found}


async def test_customers_with_just_that_name_come_first(
    api: Api, identities: Identities, database: Connection
) -> None:
    await database.execute(
        "UPDATE users SET name = CASE customer_number WHEN 'CUST-002' THEN 'Jo' ELSE 'Jo Doe' END"
    )
    answer = await api.post(
        FIND_CUSTOMERS, {"search": "jo"}, token=identities.service("orders", "users")
    )
    first, second, *_ = answer.json["customerIds"]
    assert (first, second) == ("CUST-002", "CUST-010")


async def test_the_internal_list_is_for_orders_alone(api: Api, identities: Identities) -> None:
    console = identities.service("console", "users")
    tokens = [identities.person("admin"), console, identities.service("orders", "payments"), None]
    answers = [
        await api.post(CHECK_CUSTOMERS, {"customerIds": []}, token=token) for token in tokens
    ]
    assert [answer.status for answer in answers] == [403, 403, 401, 401]


async def test_a_suspension_shows_in_the_next_validation(api: Api, identities: Identities) -> None:
    admin = await login(api, "admin")
    (grace,) = (await api.get("/api/v1/users?q=CUST-002", token=admin)).json["items"]
    for status, valid in (("suspended", False), ("active", True)):
        await api.call(
            "PUT", f"/api/v1/users/{grace['id']}/status", {"status": status}, token=admin
        )
        assert (await api.get("/api/v1/customers/CUST-002/validate", token=admin)).json[
            "valid"
        ] is valid


# --- lists


async def test_pages_hold_every_user_once_newest_first(api: Api) -> None:
    admin = await login(api, "admin")
    seen, cursor = [], ""
    while cursor is not None:
        page = (
            await api.get(f"/api/v1/users?limit=5{cursor and '&cursor=' + cursor}", token=admin)
        ).json
        assert len(page["items"]) <= 5
        seen += [user["id"] for user in page["items"]]
        cursor = page["nextCursor"]
    assert len(seen) == 12
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=HOPPER", ["Grace Hopper"]),
        ("q=cust-003", ["Alan Turing"]),
        ("q=%25", []),
        ("status=suspended", ["Mallory Grey"]),
        ("role=operator&status=active", ["Demo Operator"]),
    ],
)
async def test_users_are_found_by_name_address_number_role_and_status(
    api: Api, query: str, names: list[str]
) -> None:
    found = await api.get(f"/api/v1/users?{query}", token=await login(api, "admin"))
    assert [user["name"] for user in found.json["items"]] == names


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "role=king", "status=gone", "cursor=abc", "q=" + "x" * 101]
)
async def test_a_bad_query_is_refused_with_a_pointer(
    api: Api, identities: Identities, query: str
) -> None:
    refused = await api.get(f"/api/v1/users?{query}", token=identities.person("admin"))
    assert refused.status == 400
    assert [error["pointer"] for error in refused.json["errors"]] == ["/" + query.partition("=")[0]]


# --- what the process publishes


async def test_the_key_set_holds_every_issuer_and_no_private_part(api: Api) -> None:
    keys = (await api.get("/.well-known/jwks.json")).json["keys"]
    assert {key["kid"].rsplit(":", 1)[0] for key in keys} >= {"valerix:users", "valerix:orders"}
    assert all("d" not in key for key in keys)


async def test_metrics_count_what_happened_under_both_sets_of_names(api: Api) -> None:
    counted = {
        "/metrics": [
            'login_attempts_total{status="success"}',
            'login_attempts_total{status="failed"}',
        ],
        "/actuator/prometheus": [
            "jwt_tokens_issued_total",
            (
                "http_server_requests_seconds_count"
                '{method="POST",status="401",uri="/api/v1/users/login"}'
            ),
        ],
    }

    async def values() -> list[float]:
        texts = {path: (await api.get(path)).body.decode() for path in counted}
        return [value(texts[path], name) for path, names in counted.items() for name in names]

    before = await values()
    await login(api, "ada")
    await api.post(
        "/api/v1/users/login", {"email": "ada@demo.valerix.example", "password": "wrong password"}
    )
    assert [after - earlier for after, earlier in zip(await values(), before, strict=True)] == [
        1,
        1,
        1,
        1,
    ]


def value(text: str, name: str) -> float:
    """The value of a metric in an exposition; 0 when it was never counted."""
    lines = [line for line in text.splitlines() if line.startswith(name + " ")]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


async def test_reading_goes_on_while_passwords_are_checked(
    costly_api: Api, identities: Identities
) -> None:
    api, orders = costly_api, identities.service("orders", "users")
    body = {"email": "ada@demo.valerix.example", "password": "wrong password"}
    outlasted = False
    for _ in range(5):  # a test that is paused in the middle finds every request answered
        storm = asyncio.gather(*(api.post("/api/v1/users/login", body) for _ in range(40)))
        await asyncio.sleep(0.05)
        answer = await api.post(CHECK_CUSTOMERS, {"customerIds": ["CUST-001"]}, token=orders)
        assert answer.status == 200
        outlasted = outlasted or not storm.done()
        await storm
    assert outlasted


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/metrics", "http_request_duration_seconds_count"),
        ("/actuator/prometheus", "http_server_requests_seconds_count"),
        ("/actuator/prometheus", "login_attempts_total"),
    ],
)
async def test_a_reader_may_name_the_metrics_it_wants(api: Api, path: str, name: str) -> None:
    await login(api, "ada")
    text = (await api.get(f"{path}?name[]={name}")).body.decode()
    samples = {re.split("[{ ]", line)[0] for line in text.splitlines() if line[0] != "#"}
    assert samples == {name}
