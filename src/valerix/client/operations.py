"""What the API answers with about the services themselves: faults on purpose, and how calls fare."""

from datetime import datetime
from typing import Any

from valerix.client.models import Model

# --- chaos


class Fault(Model, frozen=True, kw_only=True, rename="camel"):
    """A fault that was injected. `state`: active, expired, stopped, or spent: it struck as often as it may."""

    id: str
    state: str
    fault: dict[str, Any]
    """`kind`: gremlin, crash, errors, cut, failpoint or behaviour; and its settings."""
    by: str
    since: datetime
    until: datetime
    stopped_at: datetime | None = None
    stopped_by: str | None = None
    strikes: int
    strikes_by_copy: dict[str, int] = {}  # noqa: RUF012 - a struct copies it


class ServiceChaos(Model, frozen=True, kw_only=True, rename="camel"):
    """One service. `history`: latest first; `copies`: those in which all that is active is in force."""

    service: str
    active: list[Fault]
    history: list[Fault]
    copies: list[str]
    failpoints: list[str]
    behaviours: list[str]
    dependencies: list[str]


# --- resilience


class CallWindow(Model, frozen=True, kw_only=True, rename="camel"):
    """The calls of the last `seconds`."""

    seconds: float
    calls: int
    failures: int


class Dependency(Model, frozen=True, kw_only=True, rename="camel"):
    """`state` of the circuit breaker: closed, open or half_open. `attempts` and `retries` since the start."""

    name: str
    state: str
    trial_in_seconds: float
    window: CallWindow
    in_flight: int
    attempts: dict[str, int]
    retries: int


class Door(Model, frozen=True, kw_only=True, rename="camel"):
    """Requests being worked on, how many may be, and how many were turned away since the start."""

    in_flight: int
    limit: int
    shed: int


class Responses(Model, frozen=True, kw_only=True, rename="camel"):
    """`average_seconds` is None when there were none in the window."""

    window_seconds: float
    count: int
    average_seconds: float | None = None


class Resilience(Model, frozen=True, kw_only=True, rename="camel"):
    """`responses`: to placed orders; None for services that have none."""

    service: str
    instance: str
    dependencies: list[Dependency]
    door: Door
    responses: Responses | None = None
