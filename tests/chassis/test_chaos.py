"""Faults injected into real processes: permission to inject them, their effects, and their end."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pyreqwest.exceptions import RequestError

from tests.support.api import Answer, Api
from tests.support.brokers import ValkeyServer
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, prepare, running
from valerix.contracts.ids import new_id

SECRET = "only-for-this-test-run"
CHAOS = "/api/v1/chaos"


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[str]:
    name, url = postgres.fresh_database("users")
    yield url
    postgres.drop(name)


@pytest.fixture(scope="module")
def audit(database: str, identities: Identities) -> Iterator[Process]:
    """The service that records which administrator injects which fault."""
    with running("users", identities, database_url=database, chaos="enabled") as process:
        yield process


@pytest.fixture(scope="module")
def service(identities: Identities, audit: Process) -> Iterator[Process]:
    """The simplest service of the platform: the payment provider."""
    ledger = identities.folder / "ledger"
    with running(
        "psp",
        identities,
        psp_secret=SECRET,
        ledger_file=ledger,
        chaos="enabled",
        users_url=audit.url,
    ) as process:
        yield process


@pytest.fixture
async def admin(service: Process, identities: Identities) -> AsyncIterator[Api]:
    async with Api.open(service.url, identities.person("admin", subject="root")) as api:
        yield api
        assert (await api.call("DELETE", CHAOS)).status == 200


async def inject(admin: Api, kind: str, **fault: Any) -> dict[str, Any]:
    answer = await admin.call("PUT", CHAOS, {"kind": kind, **fault})
    assert answer.status == 200, answer.body
    state: dict[str, Any] = answer.json
    return state


async def charge(api: Api, reference: str | None = None, method: str = "card_ok") -> Answer:
    body = {
        "reference": reference or new_id(),
        "amountMinor": 1000,
        "currency": "USD",
        "method": method,
    }
    return await api.call("POST", "/v1/charges", body, token=SECRET)


async def strikes(admin: Api) -> int:
    state = (await admin.get(CHAOS)).json
    found: int = (state["active"] + state["history"])[0]["strikes"]
    return found


async def within(seconds: float, call: Any) -> bool:
    """Whether `call` was answered in time."""
    try:
        async with asyncio.timeout(seconds):
            await call
    except TimeoutError:
        return False
    return True


# --- permission


@pytest.mark.parametrize(("method", "path"), [("GET", CHAOS), ("PUT", CHAOS), ("DELETE", CHAOS)])
@pytest.mark.parametrize("suffix", ["", "/all"])
@pytest.mark.parametrize(
    ("caller", "status"),
    [(None, 401), ("customer", 403), ("operator", 403), ("service", 403), ("admin", 200)],
)
async def test_only_administrators_inject_faults(
    service: Process,
    identities: Identities,
    method: str,
    path: str,
    suffix: str,
    caller: str | None,
    status: int,
) -> None:
    if method == "PUT" and suffix:
        return
    token = (
        identities.service("orders", "psp")
        if caller == "service"
        else caller and identities.person(caller)
    )
    body = {"kind": "cut", "dependency": "nobody"} if method == "PUT" else None
    async with Api.open(service.url) as api:
        answer = await api.call(method, path + suffix, body, token=token)
    assert answer.status == (400 if (status, method) == (200, "PUT") else status)


async def test_nobody_injects_faults_where_that_is_not_enabled(
    tmp_path: Path, identities: Identities
) -> None:
    with running("psp", identities, psp_secret=SECRET, ledger_file=tmp_path / "ledger") as service:
        async with Api.open(service.url, identities.person("admin")) as admin:
            answers = [
                await admin.get(CHAOS),
                await admin.call("PUT", CHAOS, {"kind": "gremlin"}),
                await admin.call("DELETE", CHAOS),
                await admin.get(CHAOS + "/all"),
            ]
    assert {(answer.status, answer.json["code"]) for answer in answers} == {(404, "chaos_disabled")}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "gremlin", "every": 0}, "/every"),
        ({"kind": "gremlin", "durationSeconds": 3601}, "/durationSeconds"),
        ({"kind": "crash", "how": "gently"}, "/how"),
        ({"kind": "crash", "path": "no-slash"}, "/path"),
        ({"kind": "errors", "fraction": 1.5}, "/fraction"),
        ({"kind": "gremlin", "evry": 1}, "/evry"),
        ({"kind": "failpoint", "point": "psp.nowhere"}, "/point"),
        ({"kind": "behaviour", "name": "politely"}, "/name"),
        ({"kind": "cut", "dependency": "moon"}, "/dependency"),
    ],
    ids=str,
)
async def test_a_fault_that_makes_no_sense_names_the_field(
    admin: Api, body: dict[str, Any], pointer: str
) -> None:
    answer = await admin.call("PUT", CHAOS, body)
    assert answer.status == 400, answer.body
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert (await admin.get(CHAOS)).json["active"] == []


# --- on record


async def on_record(database: str, actor: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(database)
    rows = await connection.fetch(
        "SELECT action, service, subject, role, address, details FROM audit WHERE actor = $1"
        " ORDER BY id",
        actor,
    )
    await connection.close()
    return [(*row[:5], json.loads(row["details"])) for row in rows]


@pytest.mark.parametrize("target", ["psp", "users"])
async def test_who_injects_and_ends_a_fault_is_in_the_audit(
    service: Process, audit: Process, database: str, identities: Identities, target: str
) -> None:
    url, person = {"psp": service.url, "users": audit.url}[target], f"ann-{target}"
    async with Api.open(url, identities.person("admin", subject=person)) as ann:
        state = await inject(ann, "gremlin", every=1_000_000)
        assert (await ann.call("DELETE", CHAOS)).status == 200
        assert (await ann.call("DELETE", CHAOS)).status == 200, (
            "no fault is left to end, so there is no act"
        )
    (armed, ended) = await on_record(database, person)
    assert armed[:5] == ("chaos.armed", target, target, "admin", "127.0.0.1")
    assert (armed[5]["kind"], armed[5]["every"]) == ("gremlin", 1_000_000)
    assert ended == (
        "chaos.ended",
        target,
        target,
        "admin",
        "127.0.0.1",
        {"faults": [state["active"][0]["id"]]},
    )


async def test_a_fault_that_makes_no_sense_is_not_on_record(
    service: Process, database: str, identities: Identities
) -> None:
    async with Api.open(service.url, identities.person("admin", subject="eve")) as eve:
        assert (await eve.call("PUT", CHAOS, {"kind": "cut", "dependency": "moon"})).status == 400
    assert await on_record(database, "eve") == []


async def test_what_cannot_be_put_on_record_is_not_injected_but_ended_all_the_same(
    tmp_path: Path, identities: Identities, database: str
) -> None:
    audit = prepare("users", identities, database_url=database)
    with running(
        "psp",
        identities,
        psp_secret=SECRET,
        ledger_file=tmp_path / "ledger",
        chaos="enabled",
        users_url=audit.start().url,
        call_retries=0,
    ) as service:
        async with Api.open(service.url, identities.person("admin", subject="dan")) as dan:
            await inject(dan, "gremlin", every=1_000_000)
            audit.kill()
            refused = await dan.call("PUT", CHAOS, {"kind": "errors", "fraction": 1.0})
            assert (refused.status, refused.json["code"]) == (503, "act_not_recorded"), refused.body
            assert [one["fault"]["kind"] for one in (await dan.get(CHAOS)).json["active"]] == [
                "gremlin"
            ]
            ended = await dan.call("DELETE", CHAOS)
            assert (ended.status, ended.json["active"]) == (200, []), ended.body
    assert [row[0] for row in await on_record(database, "dan")] == ["chaos.armed"]


async def test_a_service_that_knows_no_audit_injects_nothing(
    tmp_path: Path, identities: Identities
) -> None:
    with running(
        "psp", identities, psp_secret=SECRET, ledger_file=tmp_path / "ledger", chaos="enabled"
    ) as service:
        async with Api.open(service.url, identities.person("admin")) as admin:
            refused = await admin.call("PUT", CHAOS, {"kind": "gremlin"})
    assert (refused.status, refused.json["code"]) == (503, "act_not_recorded")


# --- effects


async def test_the_gremlin_makes_every_nth_request_wait_and_no_other(admin: Api) -> None:
    await inject(admin, "gremlin", every=3, delayMs=600_000, path="/v1/charges")
    for turn in (1, 2):
        assert await within(30, charge(admin))
        assert await within(30, charge(admin))
        waiting = asyncio.create_task(charge(admin))

        async def struck(turn: int = turn) -> bool:
            return await strikes(admin) == turn

        await eventually(struck)
        assert not await within(0.3, asyncio.shield(waiting))
        waiting.cancel()
    assert await within(30, admin.call("GET", "/v1/ledger", token=SECRET)), "another path"
    assert await strikes(admin) == 2
    metrics = (await admin.get("/metrics")).body.decode()
    assert "gremlin_activations_total 2.0" in metrics
    assert 'chaos_faults_active{kind="gremlin"} 1.0' in metrics


async def test_stopping_lets_go_of_who_is_waiting(admin: Api) -> None:
    await inject(admin, "gremlin", every=1, delayMs=600_000)
    waiting = asyncio.create_task(charge(admin))
    assert not await within(0.3, asyncio.shield(waiting))
    for path in ("/health", "/ready", "/health/deep", "/metrics", CHAOS, CHAOS + "/all"):
        assert await within(30, admin.get(path)), path
    assert (await admin.call("DELETE", CHAOS)).json["active"] == []
    assert (await waiting).status == 201


async def test_an_injected_error_is_answered_before_anything_is_begun(admin: Api) -> None:
    await inject(admin, "errors", fraction=1)
    reference = new_id()
    answer = await charge(admin, reference)
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (
        503,
        "unavailable",
        "1",
    )
    await admin.call("DELETE", CHAOS)
    assert (await charge(admin, reference)).status == 201, "the change had not been made"


async def test_a_crash_drops_the_connection_after_the_effect(admin: Api) -> None:
    await inject(admin, "crash", how="drop", times=2, path="/v1/charges")
    reference = new_id()
    for _ in range(2):
        with pytest.raises(RequestError):
            await charge(admin, reference)
    assert (await charge(admin, reference)).status == 200, "made by the first"
    state = (await admin.get(CHAOS)).json
    assert [(one["state"], one["strikes"]) for one in state["history"][:1]] == [("spent", 2)]
    assert "crash_simulations_total 2.0" in (await admin.get("/metrics")).body.decode()


@pytest.mark.parametrize(("action", "point"), [("error", "psp.written"), ("drop", "psp.written")])
async def test_a_failpoint_strikes_as_often_as_it_was_told(
    admin: Api, action: str, point: str
) -> None:
    await inject(admin, "failpoint", point=point, action=action)
    reference = new_id()
    if action == "drop":
        with pytest.raises(RequestError):
            await charge(admin, reference)
    else:
        failed = await charge(admin, reference)
        assert (failed.status, failed.json["code"]) == (500, "failed_on_purpose")
    assert (await charge(admin, reference)).status == 200, "made by the first"


async def test_what_can_be_injected_is_listed(admin: Api) -> None:
    state = (await admin.get(CHAOS)).json
    assert {"psp.deciding", "psp.written"} <= set(state["failpoints"])
    assert {
        "decline",
        "stall",
        "timeout-before",
        "timeout-after",
        "error-after",
        "rate-limit",
    } == set(state["behaviours"])
    assert (state["service"], state["dependencies"]) == ("psp", [])


# --- end of faults


async def test_a_fault_ends_by_itself_and_stays_in_the_history(admin: Api) -> None:
    await inject(admin, "errors", fraction=1, durationSeconds=1)

    async def works() -> bool:
        return (await charge(admin)).status == 201

    await eventually(works, 30)
    state = (await admin.get(CHAOS)).json
    assert state["active"] == []
    latest = state["history"][0]
    assert (latest["state"], latest["by"], latest["fault"]["kind"]) == ("expired", "root", "errors")
    assert latest["since"] < latest["until"]


async def test_one_of_the_same_kind_is_replaced_and_others_stay(admin: Api) -> None:
    await inject(admin, "gremlin", every=1000)
    await inject(admin, "crash", times=5)
    state = await inject(admin, "gremlin", every=2000)
    assert [one["fault"]["kind"] for one in state["active"]] == ["gremlin", "crash"]
    assert state["active"][0]["fault"]["every"] == 2000
    assert (state["history"][0]["state"], state["history"][0]["stoppedBy"]) == ("stopped", "root")


async def test_the_history_is_bounded(admin: Api) -> None:
    for _ in range(55):
        await inject(admin, "gremlin", every=1000)
    state = (await admin.get(CHAOS)).json
    assert len(state["active"]) + len(state["history"]) == 50


# --- several replicas


async def test_every_copy_is_struck_reports_and_is_stopped(
    tmp_path: Path, identities: Identities, audit: Process
) -> None:
    """Two replicas get the faults through one of them.

    A third, which the fault killed, knows the remaining faults after its restart.
    """
    valkey = ValkeyServer(tmp_path)
    valkey.start()
    copies = [
        prepare(
            *("psp", identities),
            psp_secret=SECRET,
            ledger_file=tmp_path / f"ledger-{n}",
            chaos="enabled",
            users_url=audit.url,
            valkey_url=valkey.url,
            instance=f"psp-{n}",
        )
        for n in (1, 2)
    ]
    try:
        async with AsyncExitStack() as stack:
            token = identities.person("admin", subject="root")
            one, two = [
                await stack.enter_async_context(Api.open(c.start().url, token)) for c in copies
            ]

            async def both_listen() -> bool:
                return bool((await one.get(CHAOS)).json["copies"] == ["psp-1", "psp-2"])

            await eventually(both_listen)
            state = await inject(
                one, "crash", how="kill", times=2, path="/v1/charges", durationSeconds=600
            )
            assert state["copies"] == ["psp-1", "psp-2"]
            with pytest.raises(RequestError):
                await charge(two, "first")
            copies[1].kill()
            copies[1].start()
            with pytest.raises(RequestError):
                await charge(two, "second")
            copies[1].kill()
            copies[1].start()
            assert [(await charge(two, reference)).status for reference in ("first", "second")] == [
                200,
                200,
            ]
            (spent,) = (await one.get(CHAOS)).json["history"]
            assert (spent["state"], spent["strikesByCopy"]) == ("spent", {"psp-2": 2})
            assert "crash_simulations_total 2.0" in (await two.get("/metrics")).body.decode()

            await inject(two, "errors", fraction=1)
            assert [(await charge(api)).status for api in (one, two)] == [503, 503]
            (overview,) = (await one.get(CHAOS + "/all")).json["items"]
            assert [fault["strikesByCopy"] for fault in overview["active"]] == [
                {"psp-1": 1, "psp-2": 1}
            ]
            await one.call("DELETE", CHAOS + "/all")
            assert [(await charge(api)).status for api in (one, two)] == [201, 201]

            valkey.kill()
            lost = await one.call("PUT", CHAOS, {"kind": "gremlin"})
            assert (lost.status, lost.json["code"]) == (503, "chaos_store_unavailable")
            assert (await charge(one)).status == 201
    finally:
        for copy in copies:
            copy.kill()
        valkey.close()
