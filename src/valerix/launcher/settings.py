"""Settings that `up` reads from the environment: ports, the gateway's limits, the bus and more."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from valerix.chassis.base import settings
from valerix.chassis.base.timeouts import Timeouts
from valerix.contracts import text
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import HIGHEST, LOWEST
from valerix.launcher.topology import DEFAULT_PORTS

AMONG_OURSELVES = 1_000_000
"""Requests per minute where only this machine reaches the gateway.

Benchmarks and failure drills sign in as a few people from one address.
"""
REPOSITORY = Path(__file__).resolve().parents[3]


class GatewayName(StrEnum):
    HAPROXY = "haproxy"
    TRAEFIK = "traefik"


DEFAULT_GATEWAY: Final = GatewayName.HAPROXY if sys.platform == "linux" else GatewayName.TRAEFIK
"""The package with HAProxy exists for Linux only."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Settings of the gateway: `VALERIX_GATEWAY_HOST`, `VALERIX_GATEWAY_RATE`, …"""

    gateway: GatewayName = DEFAULT_GATEWAY
    """The program that serves as the gateway."""
    gateway_binary: Path | None = None
    """Binary to run instead of the package's, e.g. a distribution's with its security updates."""
    gateway_host: str = "127.0.0.1"
    """Address to listen on.

    The demo accounts are publicly known, so opening the gateway to other machines (with 0.0.0.0) is
    an explicit choice.
    """
    gateway_rate: int = 20_000
    """Complete requests per second and source address (IPv6: /64). Above it: 429."""
    gateway_connections: int = 1_000
    """Connections of one source address. Above it they are closed (HAProxy)."""
    gateway_arriving: int = 500
    """Requests of one source address whose body did not arrive in full with its headers.

    Above it: 429 (HAProxy).
    """
    gateway_in_flight: int = 4_000
    """Complete requests and WebSockets of one source address. Above it: 429."""
    gateway_capacity: int = 512
    """Concurrent requests to one service's API, from all addresses together.

    Above it: 503 (Traefik: 429).
    """
    gateway_tls: bool = False
    """HTTPS instead of HTTP on the gateway's port."""
    gateway_certificate: Path | None = None
    """PEM file, leaf first; needs `gateway_key`.

    Without the two, a certificate for this machine is generated.
    """
    gateway_key: Path | None = None


class LimitSettings(msgspec.Struct, frozen=True):
    """`VALERIX_USER_LIMIT`, `VALERIX_ADDRESS_LIMIT`: per minute, see chassis.base.settings."""

    user_limit: int | None = None
    address_limit: int | None = None


class BusSettings(msgspec.Struct, frozen=True):
    """`VALERIX_BUS_URL`: event bus to use instead of the stack's own Valkey, e.g. `amqp://…`."""

    bus_url: str = ""


class PortSettings(msgspec.Struct, frozen=True):
    """`VALERIX_AUTO_PORTS=FROM-TO`: the range `--ports auto` chooses from.

    By default it is below the ports that the kernel uses for outgoing connections.
    """

    auto_ports: Annotated[str, msgspec.Meta(pattern=text.PORTS)] = f"{LOWEST}-{HIGHEST}"


class PublicSettings(msgspec.Struct, frozen=True):
    """`VALERIX_PUBLIC_URL`: the address at which people reach the gateway.

    Links in mails begin with it.
    """

    public_url: str = ""


class ChaosSettings(msgspec.Struct, frozen=True):
    """`VALERIX_CHAOS`: whether faults may be injected.

    Empty: only into a stack with demo data whose gateway is reachable from this machine alone.
    """

    chaos: str = ""


_Ports = msgspec.defstruct(
    "_Ports", [(f"{name}_port", int, port) for name, port in DEFAULT_PORTS.items()], frozen=True
)


def gateway_settings() -> GatewaySettings:
    """Return the gateway's settings. Raises LauncherError."""
    loaded: GatewaySettings = _load(GatewaySettings)
    return loaded


def bus_url() -> str:
    """Return the configured event bus; empty: the stack's own Valkey."""
    loaded: BusSettings = _load(BusSettings)
    return loaded.bus_url


def public_url() -> str:
    """Return the configured public address; empty: the gateway's address on this machine."""
    loaded: PublicSettings = _load(PublicSettings)
    return loaded.public_url


def chaos(gateway_host: str, *, demo: bool) -> str:
    """Return `enabled` or `disabled`.

    The environment decides; without it, faults are enabled with demo data behind a loopback
    gateway.
    """
    loaded: ChaosSettings = _load(ChaosSettings)
    return loaded.chaos or ("enabled" if demo and is_loopback(gateway_host) else "disabled")


def auto_ports() -> range:
    """Return the range `--ports auto` chooses from. Raises LauncherError."""
    loaded: PortSettings = _load(PortSettings)
    first, last = map(int, loaded.auto_ports.split("-"))
    if not 0 < first <= last < 65_536:
        raise LauncherError(
            f"VALERIX_AUTO_PORTS: {loaded.auto_ports} is no range of ports: write FROM-TO"
        )
    return range(first, last + 1)


def time_limits() -> Timeouts:
    """Return the timeouts of every process of the stack.

    Raises LauncherError for values that cannot work. The launcher loads them, so that wrong values
    are refused before anything starts.
    """
    loaded: Timeouts = _load(Timeouts)
    return loaded


def request_limits(gateway_host: str) -> dict[str, int]:
    """Return the request limits that replace the services' defaults, by setting.

    Without a setting, a gateway that only this machine reaches gets limits that are practically
    off.
    """
    limits: LimitSettings = _load(LimitSettings)
    wanted: dict[str, int | None] = msgspec.structs.asdict(limits)
    local = AMONG_OURSELVES if is_loopback(gateway_host) else None
    return {
        name: limit
        for name, given in wanted.items()
        if (limit := local if given is None else given) is not None
    }


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def configured_ports() -> dict[str, int]:
    """Return the default ports, replaced by `VALERIX_<PROCESS>_PORT` where given."""
    loaded: Mapping[str, int] = msgspec.structs.asdict(_load(_Ports))
    return {name.removesuffix("_port"): port for name, port in loaded.items()}


def default_data_dir() -> Path:
    """Return `.valerix` in the checkout; for an installed package, in the working directory."""
    home = REPOSITORY if (REPOSITORY / "pyproject.toml").exists() else Path.cwd()
    return home / ".valerix"


def _load(kind: Any) -> Any:
    try:
        return settings.load(kind)
    except settings.SettingsError as error:
        raise LauncherError(str(error)) from None
