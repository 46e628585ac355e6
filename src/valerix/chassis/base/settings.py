"""Typed, frozen settings: read once from the environment (`VALERIX_…`), then passed down. Nobody else reads it."""

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
"""A setting's name within a sentence."""
RENAMED: Final = {
    "database_lanes": "database_connections",
    "door_patience_seconds": "admission_wait_seconds",
    "gateway_room": "gateway_capacity",
    "saga_lanes": "saga_batches",
    "search_lanes": "search_connections",
}
"""Settings that had another name, by it: a value that has no effect any more must not pass unnoticed."""
S = TypeVar("S", bound=msgspec.Struct)


class SettingsError(Exception):
    """The environment does not describe a runnable service; the message lists every reason."""


class ServiceSettings(Timeouts, frozen=True, kw_only=True):
    """What every service needs. `VALERIX_PORT`, `VALERIX_DATABASE_URL`, … by field name."""

    host: str = "127.0.0.1"
    port: int
    instance: str = ""
    """Name of this replica in logs and leases, e.g. `orders-2`."""
    keys_file: Path
    """JWKS with the public keys of the token issuers this service trusts."""
    signing_key_file: Path | None = None
    """Private JWK this service signs its own tokens with."""
    users_url: tuple[str, ...] = ()
    """Who keeps the sessions: each replica's base URL. Without it (or a signing key) revoked tokens are not known."""
    proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks of the gateway: connections from there say in X-Forwarded-* for whom they come."""
    cors_origins: tuple[str, ...] = ()
    """Whose pages may call and open sockets beside those of the host itself, e.g. `https://shop.example`."""
    database_url: str = ""
    database_connections: int = 4
    valkey_url: str = ""
    bus_url: str = ""
    """The event bus: `redis://…` for Valkey streams, `amqp://…` for RabbitMQ."""
    faults_file: Path | None = None
    """Where a service without Valkey keeps the faults injected into it."""
    chaos: str = ""
    """`enabled`: administrators may inject faults at run time. Never where people depend on the installation."""
    niceness: int = 0
    """The higher, the sooner the process gives way to the others when processors are short."""
    log_level: str = "INFO"
    drain_seconds: float = 1.0
    """On SIGTERM: how long `/ready` answers 503 before the port closes; at least one probe interval."""
    max_body_bytes: int = 64 * 1024
    user_limit: int = 1_200
    """Requests one person may send per minute to one replica; also at once. Above it: 429. 0: no limit."""
    address_limit: int = 6_000
    """The same for one client address, whoever they are."""
    max_in_flight: int = 1024
    """Requests being worked on at once, at most; one more is shed with 503 before any work begins."""
    admission_wait_seconds: float = 1.0
    """When requests wait for longer before work on them begins, fewer are let in."""
    call_retries: int = 3
    call_retry_ratio: float = 0.1
    """Retries per call in the long run."""
    call_concurrency: int = 256
    """Calls to one service at once; as many again wait."""
    breaker_failure_ratio: float = 0.5
    """The breaker of a service opens when this share of the calls of the window failed …"""
    breaker_min_calls: int = 5
    """… if there were at least so many."""

    def __post_init__(self) -> None:
        if wrong := [origin for origin in self.cors_origins if not is_origin(origin)]:
            raise ValueError(
                f"cors_origins names pages as browsers do, e.g. https://shop.example or http://localhost:3000, "
                f"separated by commas; not {', '.join(wrong)}"
            )


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read `kind` from the environment; raise SettingsError naming each variable that is missing, wrong or renamed.

    Time-outs are scaled (chassis.timeouts).
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
    """Whether this is an origin as browsers send it: scheme and host in lower case, perhaps a port, nothing more."""
    parts = urlsplit(text)
    named = parts.scheme in ("http", "https") and bool(parts.hostname) and "*" not in text and "@" not in text
    return named and text == f"{parts.scheme}://{parts.netloc}".lower()


def inherited() -> dict[str, str]:
    """The environment as it is, for handing on to child processes."""
    return dict(os.environ)


def _convert(text: str, kind: object) -> object:
    if kind in (Path, Path | None):
        return Path(text)
    if kind == tuple[str, ...]:
        return tuple(part for part in text.split(",") if part)
    return msgspec.convert(text, kind, strict=False)
