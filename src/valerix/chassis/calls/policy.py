"""The limits on calls to one dependency."""

from dataclasses import dataclass
from typing import Self

from valerix.chassis.base import timeouts
from valerix.chassis.base.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits on calls to one dependency."""

    deadline_seconds: float = timeouts.DEFAULT.deadline_seconds
    """Time for a call with all its attempts, unless its caller sets a deadline."""
    timeout_seconds: float = timeouts.DEFAULT.call_timeout_seconds
    """Time-out of one attempt."""
    retries: int = 3
    backoff_seconds: float = timeouts.DEFAULT.call_backoff_seconds
    """The first pause is up to this long, each further one up to twice the one before."""
    retry_ratio: float = 0.1
    """Retries per call that are allowed in the long run."""
    window_seconds: float = timeouts.DEFAULT.breaker_window_seconds
    failure_ratio: float = 0.5
    """The breaker opens when at least this share of the calls in the window failed."""
    min_calls: int = 5
    """The breaker stays closed while the window holds fewer calls than this."""
    open_seconds: float = timeouts.DEFAULT.breaker_open_seconds
    max_calls: int = 256
    """Maximum number of concurrent calls; as many again may queue."""

    @classmethod
    def of(cls, settings: ServiceSettings) -> Self:
        """The policy that a service's settings describe."""
        return cls(
            deadline_seconds=settings.deadline_seconds,
            timeout_seconds=settings.call_timeout_seconds,
            retries=settings.call_retries,
            backoff_seconds=settings.call_backoff_seconds,
            retry_ratio=settings.call_retry_ratio,
            window_seconds=settings.breaker_window_seconds,
            failure_ratio=settings.breaker_failure_ratio,
            min_calls=settings.breaker_min_calls,
            open_seconds=settings.breaker_open_seconds,
            max_calls=settings.call_concurrency,
        )
