"""The one table of processes. Every other list of processes is derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

POSTGRES = "postgres"
VALKEY = "valkey"
GATEWAY = "gateway"
GATEWAY_METRICS = "gateway_metrics"
"""A port, not a process: the gateway's loopback-only port for its metrics and its own API."""
PSP = "psp"
DATABASES = "databases"
"""A milestone, not a process: every database exists and is migrated."""

REPLICA_PORT_STEP = 100
"""Replica n of a service listens on its port + 100 * (n - 1)."""


@dataclass(frozen=True)
class Process:
    """One row of the table.

    Ports stay below 32768: the kernel uses higher ones for outgoing connections.
    """

    name: str
    port: int
    module: str = ""
    """Composition root with `Settings` and `create(settings)`; empty for third-party programs."""
    needs: tuple[str, ...] = ()
    """Processes and milestones that must be ready before this one starts."""
    peers: tuple[str, ...] = ()
    """Services this one calls. It gets their addresses, and stops before them."""
    asks: tuple[str, ...] = ()
    """Services this one queries before staff may act by hand. It gets their addresses. Most of them
    call this one, so neither waits for the other, at the start or at the end."""
    database: str = ""
    issuer: str = ""
    """Name under which the process signs service tokens, with a key of its own."""
    resources: tuple[str, ...] = ()
    """Public collections under /api/v1; they also have short forms."""
    paths: tuple[str, ...] = ()
    """Other public paths; a path that ends in a slash stands for everything below it."""
    health: str = "/ready"
    replicable: bool = True

    @property
    def is_service(self) -> bool:
        return bool(self.module)


_STORED = (POSTGRES, DATABASES)

PROCESSES: tuple[Process, ...] = (
    Process(POSTGRES, 15432, replicable=False),
    Process(VALKEY, 16379, replicable=False),
    Process(PSP, 8010, "valerix.psp.app", asks=("users",), replicable=False),
    Process(
        "users",
        8004,
        "valerix.users.app",
        needs=_STORED,
        database="users",
        issuer="users",
        resources=("users", "customers"),
        paths=("/.well-known/jwks.json",),
    ),
    Process(
        "inventory",
        8002,
        "valerix.inventory.app",
        needs=_STORED,
        asks=("orders",),
        database="inventory",
        issuer="inventory",
        resources=("inventory", "products", "warehouses"),
    ),
    Process(
        "payments",
        8003,
        "valerix.payments.app",
        needs=_STORED,
        peers=(PSP,),
        asks=("orders",),
        database="payments",
        issuer="payments",
        resources=("payments",),
    ),
    Process(
        "orders",
        8001,
        "valerix.orders.app",
        needs=_STORED,
        peers=("users", "inventory", "payments"),
        database="orders",
        issuer="orders",
        resources=("orders",),
    ),
    Process(
        "worker",
        8007,
        "valerix.orders.worker",
        needs=_STORED,
        peers=("users", "inventory", "payments"),
        database="orders",
        issuer="orders",
    ),
    Process(
        "notifications",
        8005,
        "valerix.notifications.app",
        needs=_STORED,
        database="notifications",
        issuer="notifications",
        resources=("notifications",),
        paths=("/ws",),
    ),
    Process(
        "console",
        8006,
        "valerix.console.app",
        peers=("users", "inventory", "payments", "orders", "notifications"),
        issuer="console",
        paths=(
            "/",
            "/console",
            "/console/",
            "/docs",
            "/problems",
            "/static/",
            "/openapi.json",
            "/openapi/",
            "/asyncapi.json",
        ),
    ),
    Process(GATEWAY, 8080, health="/health", replicable=False),
)

BY_NAME = {process.name: process for process in PROCESSES}
SERVICES = tuple(process for process in PROCESSES if process.is_service)
PUBLIC = tuple(process for process in SERVICES if process.resources or process.paths)
DATABASE_NAMES = tuple(dict.fromkeys(process.database for process in SERVICES if process.database))
ISSUERS = tuple(dict.fromkeys(process.issuer for process in SERVICES if process.issuer))
CALLS = (
    *((GATEWAY, process.name) for process in PUBLIC),
    *(
        (process.name, peer)
        for process in SERVICES
        if process.name != "console"
        for peer in process.peers
    ),
    *((process.name, queried) for process in SERVICES for queried in process.asks),
)
"""Pairs of caller and callee. The console's calls are left out: they are no part of any order."""
DEFAULT_PORTS = {process.name: process.port for process in PROCESSES} | {GATEWAY_METRICS: 8090}


class Instance(msgspec.Struct, frozen=True, rename="camel"):
    """One running copy of a process: `orders`, `orders-2`, …"""

    name: str
    process: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def instances(ports: Mapping[str, int], replicas: Mapping[str, int]) -> list[Instance]:
    """Return every copy to run. `ports` and `replicas` by process name; the default is one copy."""
    return [
        Instance(
            name if number == 1 else f"{name}-{number}",
            name,
            ports[name] + REPLICA_PORT_STEP * (number - 1),
        )
        for name in BY_NAME
        for number in range(1, replicas.get(name, 1) + 1)
    ]
