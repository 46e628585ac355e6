"""The gateway's limits: per address, and per service for all addresses together."""

import select
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from tests.gateway.front import Front, started
from tests.gateway.services import EchoService
from tests.gateway.wire import ATTACKER, Reply, Wire, asked, connected, head, posted, status_of
from tests.support.eventually import until_blocking
from valerix.launcher.gateways.contract import GatewayTimeouts
from valerix.launcher.settings import GatewayName

REFUSED = (429, 503)


class Held(NamedTuple):
    wires: list[Wire]
    replies: list[Reply | None]
    """Replies to the held requests, filled in once they are released."""


@contextmanager
def held(
    front: Front, path: str, count: int, source: str = "127.0.0.1", host: str = "localhost"
) -> Iterator[Held]:
    """Sends `count` requests that their service does not answer until the block ends."""
    name = front.reached(path)["name"].rsplit("-", 1)[0]
    copies = [front.echo(copy) for copy in front.services if copy.startswith(f"{name}-")]
    with ExitStack() as stack:
        wires = [stack.enter_context(connected(front, source)) for _ in range(count)]
        replies: list[Reply | None] = []
        for wire in wires:
            wire.send(head(f"GET {path}?held", host=host))
        try:
            until_blocking(lambda: waiting(copies) == count, f"{count} requests have arrived")
            yield Held(wires, replies)
        finally:
            release(copies)
        replies += [wire.answer() for wire in wires if wire.socket.fileno() >= 0]


def waiting(copies: list[EchoService]) -> int:
    return sum(service.holding for service in copies)


def release(copies: list[EchoService]) -> None:
    for service in copies:
        service.going_on.set()
    until_blocking(lambda: waiting(copies) == 0, "all are answered")
    for service in copies:
        service.going_on.clear()


def test_a_second_over_the_rate_is_answered_429(
    gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with started(gateway, tmp_path_factory.mktemp("limited"), gateway_rate=5) as front:
        statuses = {front.get("/api/v1/orders")[0] for _ in range(60)}
        assert statuses == {200, 429}
        assert status_of(front, head("GET /api/v1/orders"), source=ATTACKER) == 200


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    limits = {
        "gateway_rate": 100_000,
        "gateway_capacity": 3,
        "gateway_in_flight": 5,
        "gateway_arriving": 6,
        "gateway_connections": 20,
    }
    timeouts = GatewayTimeouts(head=1, body=2)
    with started(gateway, tmp_path_factory.mktemp("limits"), None, timeouts, **limits) as front:
        yield front


def test_one_too_many_for_a_service_is_refused_at_once_and_others_are_let_in(front: Front) -> None:
    with held(front, "/api/v1/orders", 3) as requests:
        assert front.get("/api/v1/orders")[0] in REFUSED
        assert status_of(front, head("GET /api/v1/orders"), source=ATTACKER) in REFUSED
        assert front.get("/api/v1/products")[0] == 200
    assert [reply.status for reply in requests.replies if reply] == [200] * 3
    assert front.get("/api/v1/orders")[0] == 200


def test_what_a_service_takes_is_the_same_whatever_the_host_is_called(front: Front) -> None:
    with held(front, "/api/v1/orders", 3, host="one.example"):
        for host in ("two.example", "localhost", "one.example:80", "ONE.example"):
            assert status_of(front, head("GET /api/v1/orders", host=host)) in REFUSED
        for path in ("/orders", "/api/orders", "/api/v1/orders/7"):
            assert status_of(front, head(f"GET {path}"), source=ATTACKER) in REFUSED


def test_a_client_cannot_bring_a_name_of_its_own_for_what_a_service_takes(front: Front) -> None:
    mine = [
        f"{name}: mine"
        for name in ("Valerix-Deadline-Ms", "X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Host")
    ]
    with held(front, "/api/v1/orders", 3):
        assert status_of(front, head("GET /api/v1/orders", *mine), source=ATTACKER) in REFUSED


def test_pages_and_what_stays_open_take_nothing_of_what_a_service_takes(front: Front) -> None:
    with held(front, "/ws", 4):
        assert [front.get("/api/v1/notifications")[0] for _ in range(2)] == [200, 200]


def test_operators_reach_a_service_that_takes_no_more(front: Front) -> None:
    with held(front, "/api/v1/orders", 3):
        assert front.get("/api/v1/resilience/orders-1")[0] == 200
        assert front.get("/api/v1/chaos/orders")[0] == 200


def test_too_many_requests_from_one_address_are_refused(front: Front) -> None:
    with held(front, "/ws", 5, ATTACKER):
        assert status_of(front, head("GET /ws"), source=ATTACKER) == 429
        assert status_of(front, head("GET /ws")) == 200


def test_requests_of_an_address_count_together_whatever_they_are_for(front: Front) -> None:
    with held(front, "/ws", 3, ATTACKER), held(front, "/api/v1/orders", 2, ATTACKER):
        for path in ("/api/v1/products", "/docs", "/ws", "/api/v1/chaos"):
            assert status_of(front, head(f"GET {path}"), source=ATTACKER) == 429
            assert status_of(front, head(f"GET {path}")) == 200


def test_limits_are_per_process_of_the_topology(front: Front) -> None:
    """Sequential requests are never refused, however many they are."""
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(lambda _: front.get("/api/v1/users")[0], range(60)))
    assert set(statuses) == {200}


def test_requests_given_up_by_their_client_count_no_longer_than_their_service_works_on_them(
    front: Front,
) -> None:
    with held(front, "/ws", 5, ATTACKER) as requests:
        for wire in requests.wires:
            wire.socket.close()
    until_blocking(
        lambda: status_of(front, head("GET /docs"), source=ATTACKER) == 200,
        "the next request is admitted",
    )


def test_what_is_refused_takes_nothing(front: Front) -> None:
    for _ in range(20):
        assert asked(front, head("GET /orders%2f7"), source=ATTACKER)
    assert status_of(front, head("GET /docs"), source=ATTACKER) == 200


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (head("POST /orders", "Content-Length: 10") + b"half", b"second"),
        (head("POST /orders", "Content-Length: 10"), b"whole body"),
        (head("POST /docs", "Transfer-Encoding: chunked") + b"a\r\nhalf", b"second\r\n0\r\n\r\n"),
    ],
    ids=["half", "head", "chunk"],
)
def test_too_many_bodies_of_an_address_on_their_way_are_refused_at_once(
    front: Front, begun: bytes, rest: bytes
) -> None:
    with begun_by_attacker(front, begun, 8) as wires:
        until_blocking(lambda: len(answered(wires)) >= 2, "two are refused")
        refused = answered(wires)  # any two: those that arrive together are counted in any order
        assert [reply and reply.status for reply in map(Wire.answer, refused)] == [429] * 2
        assert status_of(front, posted(b"{}"), source=ATTACKER) == 200, (
            "a body that has arrived no longer counts"
        )
        assert status_of(front, posted(b"{}")) == 200
        for wire in wires:
            if wire not in refused:
                wire.send(rest)
                reply = wire.answer()
                assert (reply and reply.status) == 200, "it had timed out"
    with begun_by_attacker(front, begun, 6):
        pass
    until_blocking(
        lambda: status_of(front, begun, source=ATTACKER) != 429, "abandoned bodies no longer count"
    )


def answered(wires: list[Wire]) -> list[Wire]:
    """Returns those that have something to read."""
    readable, _, _ = select.select([wire.socket for wire in wires], [], [], 0)
    return [wire for wire in wires if wire.socket in readable]


@contextmanager
def begun_by_attacker(front: Front, begun: bytes, count: int) -> Iterator[list[Wire]]:
    """Sends the beginnings of `count` requests, each on a connection of its own."""
    with ExitStack() as stack:
        wires = [stack.enter_context(connected(front, ATTACKER)) for _ in range(count)]
        for wire in wires:
            wire.send(begun)
        yield wires


def test_too_many_connections_of_an_address_are_closed(front: Front) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connected(front, ATTACKER))
        assert not [one for one in range(5) if is_let_in(front)]
        assert status_of(front, head("GET /orders")) == 200
    until_blocking(lambda: is_let_in(front), "they are forgotten")


def is_let_in(front: Front) -> bool:
    try:
        return status_of(front, head("GET /orders"), source=ATTACKER) == 200
    except ConnectionError:
        return False
