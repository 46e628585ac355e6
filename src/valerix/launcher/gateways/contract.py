"""The contract of every gateway, whichever program it is: routes, headers, its own errors, limits.

Derived from the topology. Reachable are the paths that its `resources` and `paths` name, and every
service's paths for administrators; `/metrics`, `/internal` and `/ready` are not. `tests/gateway`
checks every gateway against the contract.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from valerix.chassis.base import problems
from valerix.chassis.base.problems import Problem
from valerix.chassis.limits.rate_limit import RateLimited
from valerix.launcher import topology
from valerix.launcher.certificates import Certificate
from valerix.launcher.logs import LIMIT_BYTES
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import GATEWAY, GATEWAY_METRICS, Instance, Process

API: Final = "/api/v1"
HEALTH: Final = '{"status":"ok"}'
"""The gateway's own answer to `/health`."""


class GatewayTimeouts(NamedTuple):
    """Timeouts in seconds."""

    head: float = 10
    """Until a request's headers are complete."""
    body: float = 10
    """Until its body is complete."""
    answer: float = 30
    """Until the first byte of its answer."""
    idle: float = 120
    """How long a connection without a request stays open."""
    connect: float = 1
    """Until a connection to a service is established."""
    reload: float = 30
    """After a reload, requests and WebSockets that were open before it have this long to end."""


class Listening(NamedTuple):
    """Where a gateway listens, the files it writes, and its limits."""

    folder: Path
    """Folder of the gateway's configuration."""
    access_log: Path
    ports: Mapping[str, int]
    settings: GatewaySettings
    certificate: Certificate | None = None
    """With a certificate the gateway speaks HTTPS."""
    timeouts: GatewayTimeouts = GatewayTimeouts()

    @property
    def port(self) -> int:
        return self.ports[GATEWAY]

    @property
    def metrics_port(self) -> int:
        """Port on loopback alone: `/health`, `/metrics`, `/dashboard/`."""
        return self.ports[GATEWAY_METRICS]


class Gateway(Protocol):
    """An adapter that makes one program fulfil this contract."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables for the program, in addition to the launcher's own."""

    @property
    def spawn_options(self) -> Mapping[str, Any]:
        """Arguments for the function that starts a process, in addition to `env`."""

    def command(self, instances: Sequence[Instance]) -> list[str]:
        """Write the configuration for these instances, all or nothing.

        Return the command to start.
        """

    def reload(self, instances: Sequence[Instance], pid: int) -> None:
        """Write the configuration for these instances and make process `pid` load it.

        No request is lost.
        """

    def cut_log(self, limit_bytes: int = LIMIT_BYTES) -> bool:
        """Cut the access log, as `logs.cut` does."""

    async def unreachable(self) -> list[str]:
        """Return the names of copies that get no requests (yet).

        Raises OSError while the gateway is down.
        """


# --- routes


class Rewrite(StrEnum):
    """How the gateway changes the path of a request for the service."""

    NONE = "none"
    CANONICAL = "canonical"
    """Expands short forms: `/orders/7` and `/api/orders/7` become `/api/v1/orders/7`."""
    CHAOS = f"{API}/chaos"
    ALL_CHAOS = f"{API}/chaos/all"
    RESILIENCE = f"{API}/resilience"
    """The last three set a fixed path, which every service serves for itself."""


@dataclass(frozen=True)
class Route:
    """Sends requests for these paths to `target`: all copies of a process in turns, or one copy."""

    name: str
    target: str
    exact: tuple[str, ...]
    beneath: tuple[str, ...] = ()
    """Path prefixes; each ends in a slash."""
    rewrite: Rewrite = Rewrite.NONE
    api: bool = True
    """Whether the answers are API documents, not pages: browsers neither render nor store them."""
    single: bool = False
    """Whether `target` is one copy."""
    takes_capacity: bool = False
    """Whether requests count towards the concurrency limit of the service.

    Paths with connections that stay open for hours do not.
    """


def routes(instances: Sequence[Instance]) -> list[Route]:
    """Return all routes. No path belongs to two of them."""
    copies = services(instances)
    running = [
        process
        for process in topology.SERVICES
        if any(one.process == process.name for one in copies)
    ]
    return [
        Route("chaos", "console", (f"{API}/chaos",), rewrite=Rewrite.ALL_CHAOS),
        *(route for process in running for route in _of(process)),
        *(
            Route(
                f"{process.name}-chaos",
                process.name,
                (f"{API}/chaos/{process.name}",),
                rewrite=Rewrite.CHAOS,
            )
            for process in running
        ),
        *(
            Route(
                f"{one.name}-resilience",
                one.name,
                (f"{API}/resilience/{one.name}",),
                rewrite=Rewrite.RESILIENCE,
                single=True,
            )
            for one in copies
        ),
    ]


def services(instances: Sequence[Instance]) -> list[Instance]:
    """Return the instances of services, without databases, bus and gateway."""
    return [instance for instance in instances if topology.BY_NAME[instance.process].is_service]


def _of(process: Process) -> list[Route]:
    canonical = tuple(f"{API}/{resource}" for resource in process.resources)
    short = tuple(
        f"{prefix}/{resource}" for resource in process.resources for prefix in ("", "/api")
    )
    made = [
        Route(process.name, process.name, canonical, _below(canonical), takes_capacity=True),
        Route(
            f"{process.name}-short",
            process.name,
            short,
            _below(short),
            Rewrite.CANONICAL,
            takes_capacity=True,
        ),
        Route(
            f"{process.name}-pages",
            process.name,
            tuple(path for path in process.paths if not path.endswith("/") or path == "/"),
            tuple(path for path in process.paths if path.endswith("/") and path != "/"),
            api=False,
        ),
    ]
    return [route for route in made if route.exact or route.beneath]


def _below(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{path}/" for path in paths)


# --- headers

IDENTITY_HEADERS: Final = (
    "Valerix-Deadline-Ms",
    "Valerix-On-Behalf-Of",
    "Forwarded",
    "Remote-User",
    "X-Real-Ip",
    *(
        f"X-{name}"
        for name in ("Forwarded-User", "Forwarded-Email", "Forwarded-Groups", "Remote-User")
    ),
    *(f"X-{name}" for name in ("User-Id", "User-Role", "User", "Role", "Authenticated-User")),
)
"""Headers that state the caller's identity, or that services send one another.

The gateway drops them: a value from outside would be forged.
"""
AMBIGUOUS: Final = {
    "/": "%2f",
    "\\": "%5c",
    "NUL": "%00",
    ";": "%3b",
    "%": "%25",
    "?": "%3f",
    "#": "%23",
}
"""Encoded characters that gateway and service could read differently.

A path with one of them is refused.
"""
STRICT: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_YEAR_SECONDS, _HOUR_SECONDS = 365 * 24 * 3600, 3600


def security_headers(certificate: Certificate | None) -> dict[str, str]:
    """Return the security headers of every answer."""
    return {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        **(
            {"Strict-Transport-Security": f"max-age={_sts_seconds(certificate)}"}
            if certificate
            else {}
        ),
    }


API_HEADERS: Final = {"Cache-Control": "no-store", "Content-Security-Policy": STRICT}
"""Additional headers of every answer that is not a page."""


def _sts_seconds(certificate: Certificate) -> int:
    """Return the max-age of Strict-Transport-Security: a year; one hour if generated here.

    Browsers apply the header to every port of a host name, so a certificate generated on this
    machine must not bind them for long.
    """
    return _HOUR_SECONDS if certificate.ca_file else _YEAR_SECONDS


# --- limits and errors

HEADER_BYTES: Final = 32 * 1024
BODY_BYTES: Final = 64 * 1024
"""The same limit as in the services."""


class OwnError(NamedTuple):
    """A problem that the gateway answers itself.

    `retry_after` in seconds; 0 if waiting does not help.
    """

    status: int
    code: str
    title: str
    detail: str
    retry_after: int = 0

    def document(self) -> dict[str, object]:
        """Return the problem document (RFC 9457), without a trace id."""
        return {
            "type": problems.type_of(self.code),
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


def _own(kind: type[Problem], detail: str, retry_after: int = 0) -> OwnError:
    return OwnError(kind.status, kind.code, kind.title, detail, retry_after)


INVALID = _own(problems.Invalid, "The gateway does not forward a request of this form")
NOT_FOUND = _own(problems.NotFound, "There is nothing at this path")
TOO_SLOW = _own(problems.RequestTimeout, "The request did not arrive in full in time")
TOO_LARGE = _own(problems.TooLarge, f"The body exceeds {BODY_BYTES // 1024} KiB")
RATE_LIMITED = _own(RateLimited, "Too many requests per second from this address", 1)
TOO_MANY_OPEN = _own(problems.TooManyOpen, "Too many requests from this address are open", 1)
HEADERS_TOO_LARGE = _own(problems.HeadersTooLarge, f"The headers exceed {HEADER_BYTES // 1024} KiB")
INTERNAL = _own(Problem, "The gateway failed")
BAD_GATEWAY = _own(
    problems.BadGateway,
    "The service gave no valid answer, and its effect is unknown: "
    "look it up, or repeat the request with the same key",
)
UNAVAILABLE = _own(problems.Unavailable, "No copy of the service can be reached", 1)
OVERLOADED = _own(problems.Overloaded, "The service is at its limit of concurrent requests", 1)
TIMED_OUT = _own(
    problems.GatewayTimeout, "The service did not answer in time, and its effect is unknown"
)
