"""The sources of the operations feed, and the roles that may watch it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.processes import Process, running
from valerix.chassis.base.problems import Invalid
from valerix.console import logs, readings
from valerix.console.history import POINTS, Ring
from valerix.console.logs import Wanted
from valerix.console.readings import ALL, BUCKETS, COUNT, ERRORS, PLACING, SECONDS, SUM

DOWN = "http://127.0.0.1:9"
"""The discard port: no process listens."""
ELSEWHERE = ("orders", "inventory", "payments", "users", "notifications", "worker")
TEXT = """\
# HELP http_request_duration_seconds Time
http_request_duration_seconds_bucket{endpoint="/ready",le="0.005",method="GET",status="200"} 9.0
http_request_duration_seconds_count{endpoint="/ready",method="GET",status="200"} 9.0
http_request_duration_seconds_bucket{endpoint="/api/v1/orders",le="0.1",\
method="POST",status="201"} 3.0
http_request_duration_seconds_bucket{endpoint="/api/v1/orders",le="+Inf",\
method="POST",status="201"} 4.0
http_request_duration_seconds_count{endpoint="/api/v1/orders",method="POST",status="201"} 4.0
http_request_duration_seconds_sum{endpoint="/api/v1/orders",method="POST",status="201"} 2.5
http_request_duration_seconds_count{endpoint="/api/v1/orders",method="GET",status="503"} 1.0
orders_created_total{status="confirmed"} 4.0
circuit_breaker_state{dependency="inventory"} 1.0
process_start_time_seconds 1.79e+09
a_metric_of_nobody{note="with, commas\\" and quotes"} 1.0
"""


# --- reading


def test_a_reading_keeps_traffic_breakers_and_orders_and_leaves_probes_out() -> None:
    reading = readings.read(TEXT)
    everything, placing = reading.traffic[ALL], reading.traffic[PLACING]
    assert (everything[COUNT], everything[ERRORS], everything[SUM]) == (5.0, 1.0, 2.5)
    assert (placing[COUNT], placing[ERRORS], placing[BUCKETS + readings.BOUNDS.index(0.1)]) == (
        4.0,
        0.0,
        3.0,
    )
    assert reading.labeled["circuit_breaker_state"] == {"inventory": 1.0}
    assert reading.labeled["orders_created_total"] == {"confirmed": 4.0}
    assert reading.started_at == 1.79e9


GATEWAYS = {
    "traefik": """\
traefik_entrypoint_request_duration_seconds_count{code="200",entrypoint="web",\
method="GET",protocol="http"} 7
traefik_entrypoint_request_duration_seconds_count{code="502",entrypoint="web",\
method="GET",protocol="http"} 2
traefik_entrypoint_request_duration_seconds_count{code="101",entrypoint="web",\
method="GET",protocol="websocket"} 5
traefik_entrypoint_request_duration_seconds_count{code="200",entrypoint="metrics",\
method="GET",protocol="http"} 90
""",
    "haproxy": """\
haproxy_frontend_http_responses_total{proxy="metrics",code="2xx"} 90
haproxy_frontend_http_responses_total{proxy="web",code="1xx"} 5
haproxy_frontend_http_responses_total{proxy="web",code="2xx"} 7
haproxy_frontend_http_responses_total{proxy="web",code="5xx"} 2
""",
}


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_reading_of_a_gateway_counts_answers_and_failures(gateway: str) -> None:
    traffic = readings.read(GATEWAYS[gateway]).traffic[ALL]
    assert (traffic[COUNT], traffic[ERRORS]) == (9.0, 2.0)
    assert (readings.average_ms(traffic), readings.percentile_ms(traffic, 0.95)) == (None, None), (
        "none was timed"
    )


def row(count: float, seconds: float = 2.0, slow: float = 0.0) -> list[float]:
    """`count` answers in 50-100 ms, `slow` of them in 1-2.5 s instead."""
    traffic = readings.no_traffic()
    traffic[COUNT], traffic[SECONDS], traffic[SUM] = (
        count,
        seconds,
        0.075 * (count - slow) + 1.5 * slow,
    )
    for place, bound in enumerate(readings.BOUNDS):
        traffic[BUCKETS + place] = (count - slow if bound >= 0.1 else 0) + (
            slow if bound >= 2.5 else 0
        )
    return traffic


def test_what_came_between_two_readings_is_their_difference_and_a_restart_begins_anew() -> None:
    assert readings.difference(row(10), row(4), 2.0)[COUNT] == 6
    assert readings.difference(row(3), row(10), 2.0)[COUNT] == 3


def test_percentiles_are_interpolated_and_averages_are_exact() -> None:
    traffic = row(100, slow=10)
    assert 50 <= (readings.percentile_ms(traffic, 0.5) or 0) <= 100
    assert 1000 <= (readings.percentile_ms(traffic, 0.95) or 0) <= 2500
    assert readings.average_ms(traffic) == pytest.approx(0.9 * 75 + 0.1 * 1500)
    assert readings.percentile_ms(readings.no_traffic(), 0.95) is None


# --- history


def test_what_was_not_heard_is_a_gap_and_what_was_quiet_is_zero() -> None:
    ring = Ring()
    for tick in range(1000, 1300):
        if tick not in range(1100, 1200):
            ring.put(tick, row(0 if tick < 1250 else 10))
    columns = ring.columns(1299, 5)
    assert all(len(column) == POINTS for column in columns.values())
    assert columns["rate"][:49] == [None] * 49  # 1150 … 1199
    assert columns["rate"][-60] == 0
    assert columns["p95"][-60] is None
    assert columns["rate"][-1] == 5


def test_a_ring_forgets_what_is_older_than_itself_and_never_shows_it_as_new() -> None:
    ring = Ring(ticks=10)
    ring.put(5, row(1))
    assert ring.window(14, 20) is not None
    assert ring.window(15, 20) is None
    ring.put(15, row(2))
    window = ring.window(15, 60)
    assert window is not None
    assert window[COUNT] == 2


# --- logs


def line(message: str, level: str = "info", trace: str = "", **fields: object) -> str:
    entry = {
        "timestamp": "2026-01-01T00:00:00Z",
        "level": level,
        "service": "orders",
        "trace_id": trace,
    }
    return json.dumps(entry | {"message": message} | fields) + "\n"


def test_only_new_whole_wanted_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "orders.log"
    file.write_text(line("first") + line("trouble", "error", "a" * 32, order_id="x") + '{"half')
    page = logs.read(tmp_path, Wanted(), "")
    assert [one.message for one in page.lines] == ["first", "trouble"]
    assert page.lines[1].fields == {"order_id": "x"}
    with file.open("a") as stream:
        stream.write('": 1}\n' + line("last"))
    assert [one.message for one in logs.read(tmp_path, Wanted(), page.position).lines] == [
        "",
        "last",
    ]
    assert [one.message for one in logs.read(tmp_path, Wanted(level="error"), "").lines] == [
        "trouble"
    ]
    assert [one.message for one in logs.read(tmp_path, Wanted(trace_id="a" * 32), "").lines] == [
        "trouble"
    ]
    assert [one.message for one in logs.read(tmp_path, Wanted(text="LAST"), "").lines] == ["last"]
    file.rename(tmp_path / "orders.log.1")
    file.write_text(line("in a new file"))
    assert [one.message for one in logs.read(tmp_path, Wanted(), page.position).lines] == [
        "in a new file"
    ]


def test_requests_to_the_console_itself_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"service": "console", "endpoint": "/static/js/ui.js"}
    trace = "b" * 32
    (tmp_path / "console-2.log").write_text(
        line("request", trace=trace, **asked) + line("stopping", service="console")
    )
    (tmp_path / "orders.log").write_text(line("request", endpoint="/api/v1/orders"))

    def shown(wanted: Wanted) -> list[str]:
        return [one.message for one in logs.read(tmp_path, wanted, "").lines]

    assert shown(Wanted()) == ["stopping", "request"]
    assert shown(Wanted(console=True)) == ["request", "stopping", "request"]
    assert shown(Wanted(file="console-2")) == ["request", "stopping"]
    assert shown(Wanted(trace_id=trace)) == ["request"]


@pytest.mark.parametrize("position", ["x", "orders:1", "orders:a:b", ":::"])
def test_a_position_nobody_gave_is_refused(tmp_path: Path, position: str) -> None:
    with pytest.raises(Invalid):
        logs.read(tmp_path, Wanted(), position)


# --- access


@pytest.fixture(scope="module")
def process(identities: Identities) -> Iterator[Process]:
    (identities.folder / "logs").mkdir()
    (identities.folder / "logs" / "orders.log").write_text(line("something happened"))
    settings = {f"{name}_url": DOWN for name in ELSEWHERE}
    with running(
        "console",
        identities,
        **settings,
        call_pairs="orders>inventory",
        logs_folder=identities.folder / "logs",
    ) as console:
        yield console


@pytest.fixture
async def console(process: Process) -> AsyncIterator[Api]:
    async with Api.open(process.url) as api:
        yield api


async def report(process: Process, token: str, **options: object) -> dict[str, object]:
    address = process.url.replace("http", "ws") + "/console/api/feed"
    headers = {
        "Authorization": f"Bearer {token}",
        **{k.title(): str(v) for k, v in options.items()},
    }
    async with asyncio.timeout(60), connect(address, additional_headers=headers) as socket:
        answer: dict[str, object] = json.loads(await socket.recv())
        return answer


async def test_the_feed_tells_who_is_down(process: Process, identities: Identities) -> None:
    answer = await report(process, identities.person("operator"))
    found = answer["processes"]
    states = {one["name"]: one["status"] for one in found}  # type: ignore[attr-defined]
    assert states == dict.fromkeys(ELSEWHERE, "down")
    assert answer["edges"] == [{"source": "orders", "target": "inventory", "state": None}]
    assert answer["chaos"] == {"active": []}


async def test_only_staff_may_watch_and_only_from_our_own_pages(
    process: Process, identities: Identities, console: Api
) -> None:
    for token, origin, status in (
        (identities.person("customer", "CUST-001"), process.url, 403),
        (identities.person("admin"), "https://evil.example", 403),
        ("nonsense", process.url, 401),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await report(process, token, origin=origin)
        assert refused.value.response.status_code == status
    assert await report(process, identities.person("admin"), origin=process.url)
    for path in ("/console/api/history", "/console/api/logs"):
        assert (await console.get(path)).status == 401
        assert (
            await console.get(path, token=identities.person("customer", "CUST-001"))
        ).status == 403
        assert (await console.get(path, token=identities.person("operator"))).status == 200


async def test_history_is_columns_of_equal_length(console: Api, identities: Identities) -> None:
    token = identities.person("operator")
    answer = (await console.get("/console/api/history?minutes=60", token=token)).json
    assert len(answer["times"]) == POINTS
    assert all(
        len(column) == POINTS
        for columns in answer["series"].values()
        for column in columns.values()
    )
    for minutes in ("7", "0", "x"):
        assert (
            await console.get(f"/console/api/history?minutes={minutes}", token=token)
        ).status == 400


async def test_log_lines_are_served(console: Api, identities: Identities) -> None:
    page = (await console.get("/console/api/logs", token=identities.person("operator"))).json
    assert [one["message"] for one in page["lines"]] == ["something happened"]
    for wrong in ("level=loud", "traceId=xyz", "after=nowhere"):
        answer = await console.get(
            f"/console/api/logs?{wrong}", token=identities.person("operator")
        )
        assert answer.status == 400, wrong


async def test_everybody_is_told_what_there_is_and_passwords_only_of_demo_accounts(
    console: Api, identities: Identities
) -> None:
    offered = (await console.get("/console/api/config")).json
    assert offered["demo"] is None
    assert offered["logs"] is True
    assert offered["chaos"] is False
    assert "card_ok" in offered["paymentMethods"]
    demo = {
        "demo_password": "known to all",
        "demo_logins": "ada@demo.example=Customer,op@demo.example=Operator",
    }
    urls = {f"{name}_url": DOWN for name in ELSEWHERE}
    with running("console", identities, **urls, **demo) as process:
        async with Api.open(process.url) as api:
            shown = (await api.get("/console/api/config")).json["demo"]
    assert shown["password"] == "known to all"
    assert shown["accounts"][1] == {"email": "op@demo.example", "about": "Operator"}


async def test_connections_are_counted_and_limited(
    process: Process, identities: Identities, console: Api
) -> None:
    async def are_open(feeds: int) -> bool:
        text = (await console.get("/metrics")).body.decode()
        return float(text.split("console_feed_connections_current ")[-1].split()[0]) == feeds

    address = process.url.replace("http", "ws") + "/console/api/feed"
    headers = {"Authorization": f"Bearer {identities.person('operator', subject='many')}"}
    sockets = [await connect(address, additional_headers=headers) for _ in range(32)]
    with pytest.raises(InvalidStatus) as refused:
        await connect(address, additional_headers=headers)
    assert refused.value.response.status_code == 429
    await eventually(
        lambda: are_open(32)
    )  # other tests' closed connections may still be counted for a moment
    for socket in sockets:
        await socket.close()
    await eventually(lambda: are_open(0))
