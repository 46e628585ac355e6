"""Typed, frozen settings, read once from the environment (`VALERIX_…`), then passed down.

No other module reads the environment.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from valerix.chassis.base.timeouts import Timeouts

PREFIX = "VALERIX_"
FIELD = re.compile(r"\b[a-z]+_[a-z_]+\b")
"""Matches the name of a setting within a sentence."""
RENAMED: Final = {
    "database_lanes": "database_connections",
    "door_patience_seconds": "admission_wait_seconds",
    "gateway_room": "gateway_capacity",
    "saga_lanes": "saga_batches",
    "search_lanes": "search_connections",
}
"""New names of renamed settings, by old name.

A value under an old name has no effect, so `load` reports it instead of ignoring it.
"""
S = TypeVar("S", bound=msgspec.Struct)


class SettingsError(Exception):
    """The environment does not describe a runnable service. The message lists every reason."""


class ServiceSettings(Timeouts, frozen=True, kw_only=True):
    """The settings of every service.

    Variables are named after the fields: `VALERIX_PORT`, `VALERIX_DATABASE_URL`, …
    """

    host: str = "127.0.0.1"
    port: int
    instance: str = ""
    """Name of this replica in logs and leases, e.g. `orders-2`."""
    keys_file: Path
    """JWKS file with the public keys of the token issuers that this service trusts."""
    signing_key_file: Path | None = None
    """Private JWK that this service signs its own tokens with."""
    users_url: tuple[str, ...] = ()
    """Base URL of each replica of the service that keeps the sessions.

    Without it (or without a signing key) this service does not learn of revoked tokens.
    """
    proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks of the gateway. Connections from there name the original client in X-Forwarded-*."""
    cors_origins: tuple[str, ...] = ()
    """Origins of pages that may call and open sockets, e.g. `https://shop.example`.

    Pages of the service's own host always may.
    """
    database_url: str = ""
    database_connections: int = 4
    valkey_url: str = ""
    bus_url: str = ""
    """The event bus: `redis://…` for Valkey streams, `amqp://…` for RabbitMQ."""
    faults_file: Path | None = None
    """File in which a service without Valkey stores the faults injected into it."""
    chaos: str = ""
    """`enabled`: administrators may inject faults at run time.

    Never enable it where people depend on the installation.
    """
    niceness: int = 0
    """The higher, the sooner the process yields to the others when processors are short."""
    log_level: str = "INFO"
    drain_seconds: float = 1.0
    """How long `/ready` answers 503 after SIGTERM before the port closes.

    At least one probe interval.
    """
    max_body_bytes: int = 64 * 1024
    user_limit: int = 1_200
    """Requests that one person may send to one replica per minute, also in one burst.

    Above it: 429. 0: no limit.
    """
    address_limit: int = 6_000
    """The same limit for one client address, for all people behind it together."""
    max_in_flight: int = 1024
    """Maximum number of requests in progress.

    A further request is shed with 503 before any work begins.
    """
    admission_wait_seconds: float = 1.0
    """When requests wait longer than this before work on them begins, the service admits fewer."""
    call_retries: int = 3
    call_retry_ratio: float = 0.1
    """Retries per call in the long run."""
    call_concurrency: int = 256
    """Maximum number of concurrent calls to one service; as many again may queue."""
    breaker_failure_ratio: float = 0.5
    """The breaker of a service opens when at least this share of the calls in the window failed."""
    breaker_min_calls: int = 5
    """The breaker stays closed while the window holds fewer calls than this."""

    def __post_init__(self) -> None:
        if wrong := [origin for origin in self.cors_origins if not is_origin(origin)]:
            raise ValueError(
                f"cors_origins expects origins as browsers send them, e.g. https://shop.example or"
                f" http://localhost:3000, separated by commas; not {', '.join(wrong)}"
            )


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Reads the settings `kind` from the environment and scales the time-outs.

    Raises SettingsError, which names each variable that is missing, wrong or renamed. See
    chassis.base.timeouts for the scale.
    """
    source = os.environ if environ is None else environ
    values: dict[str, object] = {}
    wrong = [
        f"{PREFIX}{old.upper()} is called {PREFIX}{new.upper()} now"
        for old, new in RENAMED.items()
        if PREFIX + old.upper() in source
    ]
    for field in msgspec.structs.fields(kind):
        name = PREFIX + field.name.upper()
        if name not in source:
            if field.required:
                wrong.append(f"{name} is missing")
            continue
        try:
            values[field.name] = _convert(source[name], field.type)
        except (msgspec.ValidationError, ValueError) as error:
            wrong.append(f"{name}: {error}")
    loaded: S | None = None
    try:
        loaded = None if wrong else kind(**values)
        if isinstance(loaded, Timeouts):
            loaded = loaded.scaled()
            wrong = [_by_variable(text) for text in loaded.broken_ratios()]
    except ValueError as error:
        wrong.append(_by_variable(str(error)))
    if loaded is None or wrong:
        raise SettingsError("; ".join(wrong))
    return loaded


def _by_variable(text: str) -> str:
    return FIELD.sub(lambda name: PREFIX + name[0].upper(), text)


def is_origin(text: str) -> bool:
    """Whether `text` is an origin as browsers send it.

    That is: scheme and host in lower case, optionally a port, nothing else.
    """
    parts = urlsplit(text)
    named = (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "*" not in text
        and "@" not in text
    )
    return named and text == f"{parts.scheme}://{parts.netloc}".lower()


def inherited() -> dict[str, str]:
    """A copy of the environment, for child processes."""
    return dict(os.environ)


def _convert(text: str, kind: object) -> object:
    if kind in (Path, Path | None):
        return Path(text)
    if kind == tuple[str, ...]:
        return tuple(part for part in text.split(",") if part)
    return msgspec.convert(text, kind, strict=False)
