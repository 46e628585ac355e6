"""Ports: chosen below the kernel's own, with a clear message if one is taken."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.workers import PORTS
from valerix.launcher import ports
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import PortClaims
from valerix.launcher.settings import AMONG_OURSELVES, chaos, configured_ports, request_limits
from valerix.launcher.topology import (
    BY_NAME,
    DEFAULT_PORTS,
    GATEWAY_METRICS,
    PROCESSES,
    SERVICES,
    instances,
)


@pytest.fixture
def claims() -> Iterator[PortClaims]:
    """The claims of one launcher."""
    with PortClaims() as claims:
        yield claims


@pytest.fixture
def taken() -> Iterator[int]:
    """A port another program listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("process", "option"),
    [
        ("gateway", "--port N"),
        ("orders", "VALERIX_ORDERS_PORT=N"),
        ("postgres", "VALERIX_POSTGRES_PORT=N"),
        (GATEWAY_METRICS, "VALERIX_GATEWAY_METRICS_PORT=N"),
    ],
)
def test_a_busy_port_names_itself_its_process_and_the_option(
    process: str, option: str, taken: int, claims: PortClaims
) -> None:
    with pytest.raises(LauncherError) as refusal:
        ports.claim_ports(claims, ports.free_ports({}) | {process: taken}, {})
    line = str(refusal.value)
    assert "\n" not in line
    assert all(part in line for part in (f"Port {taken}", process, option, "--ports auto"))


def test_a_busy_port_of_a_replica_is_noticed(taken: int, claims: PortClaims) -> None:
    with pytest.raises(LauncherError, match="orders-2 needs it"):
        ports.claim_ports(claims, ports.free_ports({}) | {"orders": taken - 100}, {"orders": 2})


def test_two_processes_cannot_share_a_port(claims: PortClaims) -> None:
    chosen = ports.free_ports({})
    with pytest.raises(LauncherError, match="wanted by both orders and worker"):
        ports.claim_ports(claims, chosen | {"worker": chosen["orders"]}, {})


def test_chosen_ports_are_free_distinct_and_below_the_kernels(claims: PortClaims) -> None:
    replicas = {"orders": 3, "inventory": 2}
    chosen = ports.free_ports(replicas)
    ports.claim_ports(claims, chosen, replicas)
    assert chosen.keys() == DEFAULT_PORTS.keys()
    assert max(one.port for one in instances(chosen, replicas)) < 32_768


def test_launchers_that_start_at_once_choose_different_ports(claims: PortClaims) -> None:
    """The range is small, and no process listens yet."""
    within = PORTS[-4 * len(DEFAULT_PORTS) :]
    chosen = {*claims.choose({}, within).values()}
    with PortClaims() as others:
        assert chosen.isdisjoint(others.choose({}, within).values())
    assert chosen.isdisjoint(ports.free_ports({}, within).values())


def test_a_port_of_another_stack_is_named_as_such_until_its_launcher_ends(
    claims: PortClaims,
) -> None:
    chosen = ports.free_ports({})
    with PortClaims() as others:
        ports.claim_ports(others, chosen, {})
        with pytest.raises(LauncherError) as refusal:
            ports.claim_ports(claims, chosen, {})
    lines = str(refusal.value).splitlines()
    assert len(lines) == len(chosen)
    assert (
        f"Port {chosen['gateway']} belongs to another stack of this machine, gateway needs it"
        in "\n".join(lines)
    )
    ports.claim_ports(claims, chosen, {})


def test_default_ports_are_distinct_and_below_the_kernels() -> None:
    wanted = [
        one.port
        for one in instances(DEFAULT_PORTS, {one.name: 3 for one in SERVICES if one.replicable})
    ]
    assert len(set(wanted)) == len(wanted)
    assert max(wanted) < 32_768


def test_every_port_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {name: 20_000 + number for number, name in enumerate(DEFAULT_PORTS)}
    for name, port in wanted.items():
        monkeypatch.setenv(f"VALERIX_{name.upper()}_PORT", str(port))
    assert configured_ports() == wanted


def test_a_port_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALERIX_ORDERS_PORT", "eighty")
    with pytest.raises(LauncherError, match="VALERIX_ORDERS_PORT"):
        configured_ports()


@pytest.mark.parametrize(
    ("replicas", "message"),
    [
        ({"postgres": 2}, "postgres cannot run 2 times"),
        ({"orders": 0}, "orders cannot run 0 times"),
        ({"orders": 21}, "orders cannot run 21 times"),
        ({"ordres": 2}, "no process 'ordres'"),
    ],
)
def test_replicas_that_cannot_be_are_refused(replicas: dict[str, int], message: str) -> None:
    with pytest.raises(LauncherError, match=message):
        ports.check_replicas(replicas)


def test_the_topology_refers_to_itself_only() -> None:
    known = {*BY_NAME, "databases"}
    for process in PROCESSES:
        assert {*process.needs, *process.peers, *process.asks} <= known, process.name
        assert not process.database or process.database in BY_NAME, process.name


def test_no_process_waits_at_the_end_for_one_that_waits_for_it() -> None:
    """Each process stops after those that use it, so a cycle would never stop."""
    stopped: set[str] = set()
    while left := [process for process in PROCESSES if process.name not in stopped]:
        users = {used for process in left for used in (*process.needs, *process.peers)}
        free = {process.name for process in left} - users
        assert free, [process.name for process in left]
        stopped |= free


def test_faults_are_allowed_where_demo_data_is_reached_from_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VALERIX_CHAOS", raising=False)
    anywhere = "0.0.0.0"  # noqa: S104 - nothing listens here
    settings = {
        (host, demo): chaos(host, demo=demo)
        for host in ("127.0.0.1", anywhere)
        for demo in (True, False)
    }
    assert [where for where, setting in settings.items() if setting == "enabled"] == [
        ("127.0.0.1", True)
    ]
    monkeypatch.setenv("VALERIX_CHAOS", "enabled")
    assert chaos(anywhere, demo=False) == "enabled"
    monkeypatch.setenv("VALERIX_CHAOS", "disabled")
    assert chaos("127.0.0.1", demo=True) == "disabled"


def test_request_limits_are_the_services_own_as_soon_as_others_are_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generous = {"user_limit": AMONG_OURSELVES, "address_limit": AMONG_OURSELVES}
    assert [request_limits(host) for host in ("127.0.0.1", "localhost", "::1")] == [generous] * 3
    assert request_limits("0.0.0.0") == {}  # noqa: S104 - nothing listens here
    monkeypatch.setenv("VALERIX_USER_LIMIT", "7")
    assert request_limits("127.0.0.1") == {"user_limit": 7, "address_limit": AMONG_OURSELVES}
    assert request_limits("0.0.0.0") == {"user_limit": 7}  # noqa: S104 - nothing listens here
