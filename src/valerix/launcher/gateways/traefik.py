"""Traefik as the gateway: its two configuration files."""

import os
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from valerix.launcher import topology
from valerix.launcher.certificates import Certificate
from valerix.launcher.gateways import contract
from valerix.launcher.gateways.contract import Listening, Rewrite, Route
from valerix.launcher.health import http_get
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import Instance

Document = dict[str, Any]
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
ENVIRONMENT = {"GOGC": "400", "GOMEMLIMIT": "512MiB", "GOMAXPROCS": str(max(1, (os.cpu_count() or 1) // 2))}
"""By default Go collects at twice the live heap, which is small here: less often saves a seventh of every request.
On more than half of the processors, which those behind it need, too, its threads cost a fifth more to wake one another.
"""
AMBIGUOUS_IN_PATHS = tuple(
    f"allowEncoded{name}"
    for name in ("Slash", "BackSlash", "NullCharacter", "Semicolon", "Percent", "QuestionMark", "Hash")
)
"""As contract.AMBIGUOUS."""


class TraefikGateway:
    """It takes up a change of its file by itself."""

    environment = ENVIRONMENT

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._routes = listening.folder / "dynamic"

    def command(self, instances: Sequence[Instance]) -> list[str]:
        """Needs a restart to change what is in the static file."""
        file = self._listening.folder / "traefik.yml"
        self._routes.mkdir(parents=True, exist_ok=True)
        _write(file, self.static())
        self._configure(instances)
        return [str(self._listening.settings.gateway_binary or packaged()), f"--configFile={file}"]

    def reload(self, instances: Sequence[Instance], pid: int) -> None:
        self._configure(instances)

    def _configure(self, instances: Sequence[Instance]) -> None:
        told, certificate = self._listening.settings, self._listening.certificate
        _write(self._routes / "valerix.yml", dynamic(instances, told, certificate))

    async def unreachable(self) -> list[str]:
        """Addresses."""
        _, body = await http_get(self._listening.metrics_port, "/api/http/services?per_page=1000")
        backends = msgspec.json.decode(body, type=list[_Backend])
        return [url for backend in backends for url, status in backend.server_status.items() if status != "UP"]

    def static(self) -> Document:
        """What it listens on, and what it tells."""
        told = self._listening.settings
        return {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "entryPoints": {
                "web": {
                    "address": f"{told.gateway_host}:{self._listening.port}",
                    "transport": {
                        "lifeCycle": {"requestAcceptGraceTimeout": "0s", "graceTimeOut": "5s"},
                        "respondingTimeouts": {"readTimeout": "30s", "writeTimeout": "0s", "idleTimeout": "120s"},
                    },
                    "http": {
                        "maxHeaderBytes": contract.HEADER_BYTES,
                        "encodedCharacters": dict.fromkeys(AMBIGUOUS_IN_PATHS, False),
                        "aliasHeadersStrategy": "delete",
                        **({"tls": {}} if self._listening.certificate else {}),
                    },
                    "http2": {"maxConcurrentStreams": 250},
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


def dynamic(instances: Sequence[Instance], settings: GatewaySettings, certificate: Certificate | None) -> Document:
    """Routes, balancing and limits."""
    copies = contract.services(instances)
    made = contract.routes(instances)
    return {
        "http": {
            "routers": {**_own_routers(), **{route.name: _router(route) for route in made}},
            "middlewares": _middlewares(settings, certificate),
            "services": {
                **{process: _balancer(process, copies) for process in dict.fromkeys(one.process for one in copies)},
                **{_only(one.name): {"loadBalancer": {"servers": [{"url": one.url}]}} for one in copies},
            },
            "serversTransports": {
                "pooled": {
                    "maxIdleConnsPerHost": 256,
                    # Shorter than the services keep idle connections, so none is reused while being closed.
                    "forwardingTimeouts": {
                        "dialTimeout": f"{contract.CONNECT_SECONDS}s",
                        "responseHeaderTimeout": f"{contract.ANSWER_SECONDS}s",
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
            "middlewares": ["limit", "pages"],
        },
        "dashboard": {
            "rule": "PathPrefix(`/api/`) || PathPrefix(`/dashboard/`)",
            "entryPoints": ["metrics"],
            "service": "api@internal",
        },
    }


def _router(route: Route) -> Document:
    rules = [*(f"Path(`{path}`)" for path in route.exact), *(f"PathPrefix(`{path}`)" for path in route.beneath)]
    changes = [] if route.rewrite is Rewrite.NONE else [route.rewrite.name.lower()]
    middlewares = [*(["room"] if route.takes_room else []), *changes, "api" if route.api else "pages"]
    return {
        "rule": " || ".join(rules),
        "entryPoints": ["web"],
        "service": route.target if route.target in topology.BY_NAME and not route.single else _only(route.target),
        "middlewares": ["limit", "open", *middlewares, "compress", "retry"],
    }


def _only(name: str) -> str:
    return f"only-{name}"


def _middlewares(settings: GatewaySettings, certificate: Certificate | None) -> Document:
    rate = settings.gateway_rate
    return {
        "limit": {"rateLimit": {"average": rate, "burst": rate, "period": "1s"}},
        "open": {
            "inFlightReq": {"amount": settings.gateway_in_flight, "sourceCriterion": {"ipStrategy": {"depth": 0}}}
        },
        # Whoever waits behind so many waits in vain. By the host asked for: for everybody together.
        "room": {"inFlightReq": {"amount": settings.gateway_room, "sourceCriterion": {"requestHost": True}}},
        **{
            path.name.lower(): {"replacePath": {"path": path.value}}
            for path in (Rewrite.CHAOS, Rewrite.ALL_CHAOS, Rewrite.RESILIENCE)
        },
        "canonical": {"replacePathRegex": {"regex": "^/(?:api/)?(.*)$", "replacement": f"{contract.API}/$1"}},
        "pages": _headers(contract.security_headers(certificate)),
        "api": _headers(contract.security_headers(certificate) | contract.API_HEADERS),
        "compress": {"compress": {"minResponseBodyBytes": 1024, "excludedContentTypes": ["text/event-stream"]}},
        # Only connections that could not be made are tried again: nothing is ever sent twice.
        "retry": {"retry": {"attempts": 3, "initialInterval": "50ms"}},
    }


def _headers(answers: Mapping[str, str]) -> Document:
    """One middleware for all headers, as each middleware costs every request."""
    return {
        "headers": {
            "customResponseHeaders": {"Server": "", "X-Powered-By": "", **answers},
            "customRequestHeaders": dict.fromkeys(contract.SPOKEN_FOR, ""),
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
                "timeout": "3s",  # a saturated service answers late; taking it out would make it worse
            },
            "serversTransport": "pooled",
        }
    }


def packaged() -> Path:
    """Its package installs the binary beside the interpreter."""
    return Path(sysconfig.get_path("scripts")) / "traefik"


def _write(file: Path, document: Document) -> None:
    """By replacement: Traefik watches the folder and must never read half a file."""
    building = file.with_suffix(".new")
    building.write_text(yaml.safe_dump(document, sort_keys=False))
    building.rename(file)


class _Backend(msgspec.Struct, rename="camel"):
    name: str
    server_status: dict[str, str] = {}
