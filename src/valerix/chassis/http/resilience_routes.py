"""`/api/v1/resilience` of every service: its limits, and their present state."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import get

from valerix.chassis.base.rolling import RollingSums
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.limits.admission import Admission
from valerix.contracts.roles import STAFF


class Window(msgspec.Struct, frozen=True, rename="camel"):
    """Calls and failures that the breaker counted during the last `seconds`."""

    seconds: float
    calls: int
    failures: int


class Configuration(msgspec.Struct, frozen=True, rename="camel"):
    """The limits on calls to a dependency.

    `timeoutSeconds` applies to one attempt. The breaker opens for `openSeconds` when a share of at
    least `opensAtFailureRatio` of the calls in the window failed, if there were at least
    `opensAfterCalls`. `retryRatio`: retries per call that are allowed in the long run.
    """

    timeout_seconds: float
    retries: int
    backoff_seconds: float
    retry_ratio: float
    opens_at_failure_ratio: float
    opens_after_calls: int
    open_seconds: float
    max_calls: int


class Dependency(msgspec.Struct, frozen=True, rename="camel"):
    """A service that this one calls.

    `attempts` since the process started, by outcome. `circuit_open` counts calls that were not
    made.
    """

    name: str
    state: str
    """State of the circuit breaker: `closed`, `open` or `half_open`."""
    trial_in_seconds: float
    window: Window
    in_flight: int
    attempts: dict[str, int]
    retries: int
    configuration: Configuration


class Door(msgspec.Struct, frozen=True, rename="camel"):
    """Admission of requests.

    `limit` adapts to `waitSeconds`, between a small minimum and `ceiling`. `shed` counts the
    requests refused since the process started.
    """

    in_flight: int
    limit: int
    ceiling: int
    wait_seconds: float
    shed: int


class Responses(msgspec.Struct, frozen=True, rename="camel"):
    """How long the callers of this service's main route waited in the last `windowSeconds`.

    `averageSeconds` is null when there were none.
    """

    window_seconds: float
    count: int
    average_seconds: float | None


class Resilience(msgspec.Struct, frozen=True, rename="camel"):
    """Circuit breakers, retries and load of one replica of a service."""

    service: str
    instance: str
    dependencies: list[Dependency]
    door: Door
    responses: Responses | None
    """Null for a service without a main route."""


def resilience_route(
    service: str,
    instance: str,
    clients: Sequence[HttpClient],
    admission: Admission,
    responses: RollingSums | None,
) -> Any:
    """The route; `responses`: the durations of the main route, if there is one."""

    @get(
        "/api/v1/resilience",
        access=STAFF,
        tags=["resilience"],
        operation_id="getResilience",
        sync_to_thread=False,
    )
    def get_resilience() -> Resilience:
        """Show circuit breakers, retries and load of this replica of the service."""
        door = Door(
            admission.in_flight,
            admission.limit,
            admission.ceiling,
            round(admission.wait_seconds, 4),
            admission.shed,
        )
        dependencies = [_dependency(client) for client in clients]
        return Resilience(
            service, instance, dependencies, door, _responses(responses) if responses else None
        )

    return get_resilience


def _dependency(client: HttpClient) -> Dependency:
    policy, breaker = client.policy, client.breaker
    return Dependency(
        name=client.dependency,
        state=breaker.state,
        trial_in_seconds=round(breaker.opens_in(), 2),
        window=Window(policy.window_seconds, *breaker.window()),
        in_flight=client.bulkhead.inside,
        attempts=dict(client.attempts),
        retries=client.retries,
        configuration=Configuration(
            timeout_seconds=policy.timeout_seconds,
            retries=policy.retries,
            backoff_seconds=policy.backoff_seconds,
            retry_ratio=policy.retry_ratio,
            opens_at_failure_ratio=policy.failure_ratio,
            opens_after_calls=policy.min_calls,
            open_seconds=policy.open_seconds,
            max_calls=policy.max_calls,
        ),
    )


def _responses(sums: RollingSums) -> Responses:
    count, _ = sums.totals()
    return Responses(sums.seconds, count, sums.mean())
