"""Models of the API's answers about services: injected faults, and the state of calls."""

from datetime import datetime
from typing import Any

from valerix.client.models import Model

# --- chaos


class Fault(Model, frozen=True, kw_only=True, rename="camel"):
    """An injected fault.

    `state`: active, expired, stopped, or spent (it struck as often as it may).
    """

    id: str
    state: str
    fault: dict[str, Any]
    """Its `kind` (gremlin, crash, errors, cut, failpoint or behaviour) and its settings."""
    by: str
    since: datetime
    until: datetime
    stopped_at: datetime | None = None
    stopped_by: str | None = None
    strikes: int
    strikes_by_copy: dict[str, int] = {}  # noqa: RUF012 - a struct copies it


class ServiceChaos(Model, frozen=True, kw_only=True, rename="camel"):
    """The faults of one service.

    `history`: latest first. `copies`: the processes in which all active faults are in force.
    """

    service: str
    active: list[Fault]
    history: list[Fault]
    copies: list[str]
    failpoints: list[str]
    behaviours: list[str]
    dependencies: list[str]


# --- resilience


class CallWindow(Model, frozen=True, kw_only=True, rename="camel"):
    """Calls and failures of the last `seconds`."""

    seconds: float
    calls: int
    failures: int


class Dependency(Model, frozen=True, kw_only=True, rename="camel"):
    """A service that this one calls.

    `state` of the circuit breaker: closed, open or half_open. `attempts` and `retries` count since
    the start of the process.
    """

    name: str
    state: str
    trial_in_seconds: float
    window: CallWindow
    in_flight: int
    attempts: dict[str, int]
    retries: int


class Door(Model, frozen=True, kw_only=True, rename="camel"):
    """Admission: requests in flight, their limit, and requests shed since the process started."""

    in_flight: int
    limit: int
    shed: int


class Responses(Model, frozen=True, kw_only=True, rename="camel"):
    """Response times. `average_seconds` is None without responses in the window."""

    window_seconds: float
    count: int
    average_seconds: float | None = None


class Resilience(Model, frozen=True, kw_only=True, rename="camel"):
    """State of one process.

    `responses`: those to placed orders; None for services that place none.
    """

    service: str
    instance: str
    dependencies: list[Dependency]
    door: Door
    responses: Responses | None = None
