"""What every gateway does, whichever program it is: routes, headers, its own errors, limits.

Derived from the topology: only what `resources` and `paths` of it name is reachable, and what every process offers its
administrators; `/metrics`, `/internal`, `/ready` are not. `tests/gateway` holds every gateway to it.
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
    """In seconds."""

    head: float = 10
    """For a request's headers."""
    body: float = 10
    """For its whole body."""
    answer: float = 30
    """For the first byte of its answer."""
    idle: float = 120
    """For a connection without a request."""
    connect: float = 1
    reload: float = 30
    """After a reload, requests and WebSockets that were open before end by then."""


class Listening(NamedTuple):
    """Where a gateway listens, the files it writes, and its limits."""

    folder: Path
    """For its configuration."""
    access_log: Path
    ports: Mapping[str, int]
    settings: GatewaySettings
    certificate: Certificate | None = None
    """With it: HTTPS."""
    timeouts: GatewayTimeouts = GatewayTimeouts()

    @property
    def port(self) -> int:
        return self.ports[GATEWAY]

    @property
    def metrics_port(self) -> int:
        """On loopback alone: `/health`, `/metrics`, `/dashboard/`."""
        return self.ports[GATEWAY_METRICS]


class Gateway(Protocol):
    """A program made to do what is said here."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables to start it with besides the launcher's own."""

    @property
    def spawn_options(self) -> Mapping[str, Any]:
        """Arguments for the function that starts a process, besides `env`."""

    def command(self, instances: Sequence[Instance]) -> list[str]:
        """Write the configuration for these, whole or not at all, and return how to start."""

    def reload(self, instances: Sequence[Instance], pid: int) -> None:
        """Write the configuration for these and make the process take it up: no request is lost."""

    def cut_log(self, limit_bytes: int = LIMIT_BYTES) -> bool:
        """As `logs.cut` for the access log."""

    async def unreachable(self) -> list[str]:
        """Names of copies it does not send requests to (yet). Raises OSError while it does not answer."""


# --- routes


class Rewrite(StrEnum):
    """What becomes of the path on its way to the service."""

    NONE = "none"
    CANONICAL = "canonical"
    """The short forms: `/orders/7` and `/api/orders/7` become `/api/v1/orders/7`."""
    CHAOS = f"{API}/chaos"
    ALL_CHAOS = f"{API}/chaos/all"
    RESILIENCE = f"{API}/resilience"
    """Every service answers the last three at one path of its own."""


@dataclass(frozen=True)
class Route:
    """Requests for these paths go to `target`: a process in turns, or one copy of it."""

    name: str
    target: str
    exact: tuple[str, ...]
    beneath: tuple[str, ...] = ()
    """Beginnings, with a slash at their end."""
    rewrite: Rewrite = Rewrite.NONE
    api: bool = True
    """Documents, not pages: nothing to show, or to keep."""
    single: bool = False
    """`target` is one copy."""
    takes_capacity: bool = False
    """Counts towards what its service is let in at once. What stays open for hours does not."""


def routes(instances: Sequence[Instance]) -> list[Route]:
    """No path belongs to two of them."""
    copies = services(instances)
    running = [process for process in topology.SERVICES if any(one.process == process.name for one in copies)]
    return [
        Route("chaos", "console", (f"{API}/chaos",), rewrite=Rewrite.ALL_CHAOS),
        *(route for process in running for route in _of(process)),
        *(
            Route(f"{process.name}-chaos", process.name, (f"{API}/chaos/{process.name}",), rewrite=Rewrite.CHAOS)
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
    return [instance for instance in instances if topology.BY_NAME[instance.process].is_service]


def _of(process: Process) -> list[Route]:
    canonical = tuple(f"{API}/{resource}" for resource in process.resources)
    short = tuple(f"{prefix}/{resource}" for resource in process.resources for prefix in ("", "/api"))
    made = [
        Route(process.name, process.name, canonical, _below(canonical), takes_capacity=True),
        Route(f"{process.name}-short", process.name, short, _below(short), Rewrite.CANONICAL, takes_capacity=True),
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
    *(f"X-{name}" for name in ("Forwarded-User", "Forwarded-Email", "Forwarded-Groups", "Remote-User")),
    *(f"X-{name}" for name in ("User-Id", "User-Role", "User", "Role", "Authenticated-User")),
)
"""Headers that say who calls, or that services send one another: from outside they would be somebody else's word."""
AMBIGUOUS: Final = {"/": "%2f", "\\": "%5c", "NUL": "%00", ";": "%3b", "%": "%25", "?": "%3f", "#": "%23"}
"""Encoded characters that gateway and service could read differently: a path with one is refused."""
STRICT: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_YEAR_SECONDS, _HOUR_SECONDS = 365 * 24 * 3600, 3600


def security_headers(certificate: Certificate | None) -> dict[str, str]:
    """Of every answer."""
    return {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        **({"Strict-Transport-Security": f"max-age={_sts_seconds(certificate)}"} if certificate else {}),
    }


API_HEADERS: Final = {"Cache-Control": "no-store", "Content-Security-Policy": STRICT}
"""Besides them, of everything that is no page."""


def _sts_seconds(certificate: Certificate) -> int:
    """Browsers remember it for a host name whatever its port: with a certificate made here, not for long."""
    return _HOUR_SECONDS if certificate.ca_file else _YEAR_SECONDS


# --- limits and errors

HEADER_BYTES: Final = 32 * 1024
BODY_BYTES: Final = 64 * 1024
"""As in the services."""


class OwnError(NamedTuple):
    """An answer of the gateway itself. `retry_after` in seconds; 0 where waiting does not help."""

    status: int
    code: str
    title: str
    detail: str
    retry_after: int = 0

    def document(self) -> dict[str, object]:
        return {
            "type": problems.type_of(self.code),
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


def _own(kind: type[Problem], detail: str, retry_after: int = 0) -> OwnError:
    return OwnError(kind.status, kind.code, kind.title, detail, retry_after)


INVALID = _own(problems.Invalid, "The gateway does not pass such a request on")
NOT_FOUND = _own(problems.NotFound, "There is nothing at this path")
TOO_SLOW = _own(problems.RequestTimeout, "The request did not arrive whole in time")
TOO_LARGE = _own(problems.TooLarge, f"A body has at most {BODY_BYTES // 1024} KiB")
RATE_LIMITED = _own(RateLimited, "Too many requests from this address in a second", 1)
TOO_MANY_OPEN = _own(problems.TooManyOpen, "Too many requests of this address are open", 1)
HEADERS_TOO_LARGE = _own(problems.HeadersTooLarge, f"Headers have at most {HEADER_BYTES // 1024} KiB")
INTERNAL = _own(Problem, "The gateway failed")
BAD_GATEWAY = _own(problems.BadGateway, "The service gave no valid answer; what it did is unknown: ask, or repeat")
UNAVAILABLE = _own(problems.Unavailable, "No copy of the service can be reached", 1)
OVERLOADED = _own(problems.Overloaded, "The service has as many requests as it takes", 1)
TIMED_OUT = _own(problems.GatewayTimeout, "The service did not answer in time; what it did is unknown")
