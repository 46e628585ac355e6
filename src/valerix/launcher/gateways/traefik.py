"""Traefik as the gateway: its two configuration files."""

import os
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from valerix.launcher import logs, topology
from valerix.launcher.certificates import Certificate
from valerix.launcher.gateways import contract
from valerix.launcher.gateways.contract import Listening, Rewrite, Route
from valerix.launcher.health import http_get
from valerix.launcher.private import FILE_MODE, FOLDER_MODE, own_folder, write_private
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import Instance

Document = dict[str, Any]
ACCESS_LOG_FIELDS = (
    "StartUTC",
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
ENVIRONMENT = {
    "GOGC": "400",
    "GOMEMLIMIT": "96MiB",
    "GOMAXPROCS": str(max(1, (os.cpu_count() or 1) // 2)),
}
"""Settings of the Go runtime.

By default Go collects garbage at twice the live heap, which is small here: collecting less often
saves a seventh of every request's time. Half of the processors are left to the services. On more,
Traefik costs a fifth more, because its threads wake one another.
"""
AMBIGUOUS_IN_PATHS = tuple(
    f"allowEncoded{name}"
    for name in (
        "Slash",
        "BackSlash",
        "NullCharacter",
        "Semicolon",
        "Percent",
        "QuestionMark",
        "Hash",
    )
)
"""Traefik's names of the characters in contract.AMBIGUOUS."""


class TraefikGateway:
    """Runs Traefik, which loads a changed file of routes by itself."""

    environment = ENVIRONMENT
    spawn_options: Mapping[str, Any] = {}

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._routes = listening.folder / "dynamic"
        self._names: dict[str, str] = {}

    def command(self, instances: Sequence[Instance]) -> list[str]:
        """Write both files and return the command. Changes of the static file need a restart."""
        file = self._listening.folder / "traefik.yml"
        own_folder(self._listening.folder)
        self._routes.mkdir(mode=FOLDER_MODE, exist_ok=True)
        own_folder(self._listening.access_log.parent)
        self._listening.access_log.touch(FILE_MODE)  # Traefik would let others read it
        _write(file, self.static())
        self._configure(instances)
        return [str(self._listening.settings.gateway_binary or packaged()), f"--configFile={file}"]

    def reload(self, instances: Sequence[Instance], pid: int) -> None:
        self._configure(instances)

    def _configure(self, instances: Sequence[Instance]) -> None:
        self._names = {one.url: one.name for one in instances}
        _write(self._routes / "valerix.yml", dynamic(instances, self._listening))

    def cut_log(self, limit_bytes: int = logs.LIMIT_BYTES) -> bool:
        return logs.cut(self._listening.access_log, limit_bytes)

    async def unreachable(self) -> list[str]:
        _, body = await http_get(self._listening.metrics_port, "/api/http/services?per_page=1000")
        backends = msgspec.json.decode(body, type=list[_Backend])
        down = {
            url
            for backend in backends
            for url, status in backend.server_status.items()
            if status != "UP"
        }
        return sorted(self._names.get(url, url) for url in down)

    def static(self) -> Document:
        """Return the static configuration: ports, timeouts, logs and metrics."""
        settings, timeouts = self._listening.settings, self._listening.timeouts
        return {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": {
                "web": {
                    "address": f"{_bracketed(settings.gateway_host)}:{self._listening.port}",
                    "transport": {
                        "lifeCycle": {"requestAcceptGraceTimeout": "0s", "graceTimeOut": "5s"},
                        "respondingTimeouts": {
                            "readTimeout": f"{timeouts.body}s",
                            "writeTimeout": "0s",
                            "idleTimeout": f"{timeouts.idle}s",
                        },
                    },
                    "http": {
                        "maxHeaderBytes": contract.HEADER_BYTES,
                        "encodedCharacters": dict.fromkeys(AMBIGUOUS_IN_PATHS, False),
                        # Otherwise Traefik turns them into ampersands.
                        "encodeQuerySemicolons": True,
                        "aliasHeadersStrategy": "delete",
                        **({"tls": {}} if self._listening.certificate else {}),
                    },
                    "http2": {"maxConcurrentStreams": 100},
                },
                "metrics": {"address": f"127.0.0.1:{self._listening.metrics_port}"},
            },
            "providers": {
                "providersThrottleDuration": "100ms",
                "file": {"directory": str(self._routes), "watch": True},
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
                "filePath": str(self._listening.access_log),
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


def dynamic(instances: Sequence[Instance], listening: Listening) -> Document:
    """Return the dynamic configuration: routes, balancing and limits."""
    copies = contract.services(instances)
    made = contract.routes(instances)
    timeouts, certificate = listening.timeouts, listening.certificate
    return {
        "http": {
            "routers": {**_own_routers(), **_routers(made)},
            "middlewares": _middlewares(listening.settings, certificate),
            "services": {
                **{
                    process: _balancer(process, copies)
                    for process in dict.fromkeys(one.process for one in copies)
                },
                **{
                    _only(one.name): {"loadBalancer": {"servers": [{"url": one.url}]}}
                    for one in copies
                },
            },
            "serversTransports": {
                "pooled": {
                    "maxIdleConnsPerHost": 256,
                    # Shorter than the services' own idle timeout, so no connection is reused while
                    # it closes.
                    "forwardingTimeouts": {
                        "dialTimeout": f"{timeouts.connect}s",
                        "responseHeaderTimeout": f"{timeouts.answer}s",
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
            "middlewares": ["api", "limit"],
        },
        "dashboard": {
            "rule": "PathPrefix(`/api/`) || PathPrefix(`/dashboard/`)",
            "entryPoints": ["metrics"],
            "service": "api@internal",
        },
        # Without this router, the answer to an unknown path would lack the security headers.
        "unknown": {
            "rule": "PathPrefix(`/`)",
            "priority": 1,
            "entryPoints": ["web"],
            "service": "noop@internal",
            "middlewares": ["api", "limit", "not_found"],
        },
    }


def _routers(routes: Sequence[Route]) -> Document:
    """Return one router for both forms of an API, because a middleware counts per router."""
    by_name: dict[str, list[Route]] = {}
    for route in routes:
        by_name.setdefault(route.target if route.takes_capacity else route.name, []).append(route)
    return {name: _router(together) for name, together in by_name.items()}


def _router(routes: Sequence[Route]) -> Document:
    route = routes[-1]
    rules = [
        *(f"Path(`{path}`)" for route in routes for path in route.exact),
        *(f"PathPrefix(`{path}`)" for route in routes for path in route.beneath),
    ]
    changes = [] if route.rewrite is Rewrite.NONE else [route.rewrite.name.lower()]
    # Headers come first, so that every refusal has them. After that, only complete requests are
    # counted.
    arriving = ["limit", "whole", "open", "capacity"] if route.takes_capacity else ["limit", "open"]
    return {
        "rule": " || ".join(rules),
        "entryPoints": ["web"],
        "service": route.target
        if route.target in topology.BY_NAME and not route.single
        else _only(route.target),
        "middlewares": ["api" if route.api else "pages", *arriving, *changes, "compress", "retry"],
    }


def _only(name: str) -> str:
    return f"only-{name}"


def _middlewares(settings: GatewaySettings, certificate: Certificate | None) -> Document:
    rate, address = settings.gateway_rate, {"ipStrategy": {"depth": 0, "ipv6Subnet": 64}}
    return {
        "limit": {
            "rateLimit": {
                "average": rate,
                "burst": rate,
                "period": "1s",
                "sourceCriterion": address,
            }
        },
        "open": {"inFlightReq": {"amount": settings.gateway_in_flight, "sourceCriterion": address}},
        "whole": {
            "buffering": {
                "maxRequestBodyBytes": contract.BODY_BYTES,
                "memRequestBodyBytes": contract.BODY_BYTES,
            }
        },
        # Counted by a header that has been dropped, so for all addresses and host names together.
        "capacity": {
            "inFlightReq": {
                "amount": settings.gateway_capacity,
                "sourceCriterion": {"requestHeaderName": contract.IDENTITY_HEADERS[0]},
            }
        },
        **{
            path.name.lower(): {"replacePath": {"path": path.value}}
            for path in (Rewrite.CHAOS, Rewrite.ALL_CHAOS, Rewrite.RESILIENCE)
        },
        "canonical": {
            "replacePathRegex": {
                "regex": "^/(?:api/)?(?:v1/)?(.*)$",
                "replacement": f"{contract.API}/$1",
            }
        },
        "pages": _headers(contract.security_headers(certificate), contract.IDENTITY_HEADERS),
        # Dropping Upgrade: no API path serves WebSockets, and no path other protocols.
        "api": _headers(
            contract.security_headers(certificate) | contract.API_HEADERS,
            (*contract.IDENTITY_HEADERS, "Upgrade"),
        ),
        "compress": {
            "compress": {
                "encodings": ["gzip"],
                "minResponseBodyBytes": 1024,
                "excludedContentTypes": ["text/event-stream"],
            }
        },
        # Only failed connection attempts are repeated, so no request is ever sent twice.
        "retry": {"retry": {"attempts": 3, "initialInterval": "50ms"}},
        "not_found": {
            "ipAllowList": {"sourceRange": ["255.255.255.255/32"], "rejectStatusCode": 404}
        },
    }


def _headers(answers: Mapping[str, str], dropped: Sequence[str]) -> Document:
    """Return one middleware for all headers, since each middleware costs time on every request."""
    return {
        "headers": {
            "customResponseHeaders": {"Server": "", "X-Powered-By": "", **answers},
            "customRequestHeaders": dict.fromkeys(dropped, ""),
        }
    }


def _balancer(process: str, copies: Sequence[Instance]) -> Document:
    return {
        "loadBalancer": {
            "servers": [{"url": one.url} for one in copies if one.process == process],
            "healthCheck": {
                "path": topology.BY_NAME[process].health,
                "interval": "1s",
                "unhealthyInterval": "250ms",
                # A saturated service answers late; taking it out would make it worse.
                "timeout": "3s",
            },
            "serversTransport": "pooled",
        }
    }


def packaged() -> Path:
    """Return the binary, which Traefik's package installs beside the interpreter."""
    return Path(sysconfig.get_path("scripts")) / "traefik"


def _write(file: Path, document: Document) -> None:
    """Replace the file: Traefik watches the folder and must never read half a file."""
    write_private(file, yaml.safe_dump(document, sort_keys=False).encode())


class _Backend(msgspec.Struct, rename="camel"):
    name: str
    server_status: dict[str, str] = {}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
