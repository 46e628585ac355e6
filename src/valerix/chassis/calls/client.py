"""Calls to one other service: to its replicas in turn, with a deadline, an identity and the trace.

Every call is bounded (chassis.calls.policy). It is repeated within its deadline while there is no
definite answer - so only send what may be sent twice. It waits for a place in the bulkhead, and it
is not made at all while the breaker is open.

CallFailed
├── NotSent          no connection, or refused with 503 or 429 before work began: it had no effect
│   ├── Throttled    429: the dependency accepts no more calls of this service for now
│   └── Withheld     not even tried: no time left, too many calls under way, or BreakerOpen
├── OutcomeUnknown   no usable answer: time-out, connection lost, 5xx. It may have had its effect
│   └── CutShort     the caller's own deadline ended first
└── Refused          a definite 4xx; `problem` is the problem document of the dependency
    └── Unacceptable 400 or 422: the content of the request was refused, and would be refused again
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import msgspec
import structlog
from prometheus_client import Counter, Gauge

from valerix.chassis.base import caller, telemetry
from valerix.chassis.base.deadline import HEADER as DEADLINE_HEADER
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.breaker import STATES, Breaker
from valerix.chassis.calls.bulkhead import Bulkhead
from valerix.chassis.calls.connections import Connections, NeverSent, Reply, TransferFailed
from valerix.chassis.calls.policy import Policy
from valerix.chassis.calls.retry import RetryBudget, backoff
from valerix.chassis.chaos.points import CUTS, is_cut_off

log = structlog.get_logger()
T = TypeVar("T")
DEFAULT_POLICY = Policy()
OUTCOMES = ("success", "refused", "failed", "circuit_open")
LEAST_SECONDS = 0.01
"""With less time left than this, a call is not sent."""
breaker_state = Gauge("circuit_breaker_state", "0 closed, 1 open, 2 half-open", ["dependency"])
breaker_changes = Counter(
    "circuit_breaker_changes_total", "New states of the circuit breaker", ["dependency", "state"]
)
call_attempts = Counter(
    "call_attempts_total",
    "Attempts of calls to other services, retries included",
    ["dependency", "outcome"],
)
call_retries = Counter("call_retries_total", "Retries of calls to other services", ["dependency"])


class CallFailed(Exception):
    """Base of all failures of a call; `dependency` names the service that was called."""

    well: ClassVar[bool | None] = False
    """Whether this failure shows that the dependency is healthy; None: it shows nothing."""
    retry_after_seconds: float = 0.0
    """How long the dependency requests to receive no calls."""

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(f"{dependency}: {reason}")
        self.dependency = dependency
        self.reason = reason


class NotSent(CallFailed):
    """Nothing reached the dependency, or it refused before work began: certainly no effect."""

    def __init__(self, dependency: str, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(dependency, reason)
        self.retry_after_seconds = retry_after_seconds


class Throttled(NotSent):
    """The dependency accepts no more calls of this service for now (429)."""

    well = True


class Withheld(NotSent):
    """No attempt was made."""

    well = None


class BreakerOpen(Withheld):
    """It failed too often to be called now; one trial may enter in `retry_after_seconds`."""

    def __init__(self, dependency: str, retry_after_seconds: float) -> None:
        super().__init__(dependency, "Circuit breaker is open", retry_after_seconds)


class OutcomeUnknown(CallFailed):
    """The call may or may not have had its effect: repeat it under the same key."""


class CutShort(OutcomeUnknown):
    """The caller's own deadline ended without an answer, too soon to blame the dependency."""

    well = None


class Refused(CallFailed):
    """A definite refusal by the dependency."""

    well = True

    def __init__(self, dependency: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(dependency, str(problem.get("detail") or status))
        self.status = status
        self.problem = problem


class Unacceptable(Refused):
    """The content of the request was refused. The same content leads to the same result."""


class Attempt(NamedTuple):
    """One attempt of a call, for a caller that records them."""

    started_at: datetime
    duration_ms: float
    failure: CallFailed | None


Report = Callable[[Attempt], None]


class Tokens(Protocol):
    """The source of the tokens that authorize calls (TokenIssuer)."""

    def for_service(self, target: str) -> str:
        """A token that `target` accepts."""


class HttpClient:
    """Keep-alive connections to the replicas of one service."""

    def __init__(
        self,
        dependency: str,
        replicas: Sequence[Connections],
        policy: Policy = DEFAULT_POLICY,
        *,
        tokens: Tokens | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.dependency = dependency
        self.policy = policy
        self.breaker = Breaker(policy, self._breaker_changed)
        self.bulkhead = Bulkhead(policy.max_calls)
        self._budget = RetryBudget(policy.retry_ratio)
        self._replicas = replicas
        self._next = itertools.cycle(range(len(replicas)))
        self._tokens = tokens
        self._headers = {"user-agent": "valerix", **(headers or {})}
        self.attempts = dict.fromkeys(OUTCOMES, 0)
        self.retries = 0
        self._counters = {
            outcome: call_attempts.labels(dependency, outcome) for outcome in OUTCOMES
        }
        breaker_state.labels(dependency).set_function(lambda: STATES.index(self.breaker.state))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dependency: str,
        urls: Sequence[str],
        policy: Policy = DEFAULT_POLICY,
        *,
        tokens: Tokens | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Self]:
        """`urls`: base URL of each replica. `headers` are sent with every call."""
        replicas = [Connections(url) for url in urls]
        try:
            yield cls(dependency, replicas, policy, tokens=tokens, headers=headers)
        finally:
            for replica in replicas:
                replica.close()

    async def post(
        self,
        path: str,
        body: msgspec.Struct,
        answer: "msgspec.json.Decoder[T]",
        *,
        deadline: Deadline | None = None,
        report: Report | None = None,
    ) -> T:
        """POSTs `body`, decodes a 2xx with `answer`, reports every attempt. Raises CallFailed."""
        return await self._call(
            _Request("POST", path, msgspec.json.encode(body)), answer, deadline, report
        )

    async def get(
        self, path: str, answer: "msgspec.json.Decoder[T]", *, deadline: Deadline | None = None
    ) -> T:
        """GETs `path` and decodes a 2xx with `answer`. Raises CallFailed."""
        return await self._call(_Request("GET", path), answer, deadline, None)

    async def delete(
        self, path: str, answer: "msgspec.json.Decoder[T]", *, deadline: Deadline | None = None
    ) -> T:
        """Sends a DELETE, perhaps twice, and decodes a 2xx with `answer`. Raises CallFailed."""
        return await self._call(_Request("DELETE", path), answer, deadline, None)

    async def probe(self, path: str, deadline: Deadline) -> int:
        """The status below 500 of a single GET. The breaker does not stop it. Raises CallFailed."""
        status, _ = await self._send(_Request("GET", path), next(self._next), deadline)
        return status

    # --- one call: as many attempts as are worth it

    async def _call(
        self,
        request: "_Request",
        answer: "msgspec.json.Decoder[T]",
        deadline: Deadline | None,
        report: Report | None,
    ) -> T:
        limit = deadline or Deadline.after(self.policy.deadline_seconds)
        first, retry = next(self._next), 0
        failure: CallFailed | None = None
        self._budget.deposit()
        while True:
            try:
                return await self._guarded(request, answer, first + retry, limit, report)
            except Withheld as withheld:
                raise failure or withheld from None
            except (NotSent, OutcomeUnknown) as error:
                failure = error if isinstance(error, OutcomeUnknown) or failure is None else failure
                retry += 1
                if not await self._pause(retry, error, limit):
                    raise failure from None

    async def _pause(self, retry: int, error: CallFailed, limit: Deadline) -> bool:
        """Waits before a retry; False when no retry is allowed."""
        if retry > self.policy.retries:
            return False
        seconds = backoff(self.policy.backoff_seconds, retry, error.retry_after_seconds)
        if seconds + LEAST_SECONDS >= limit.remaining() or not self.may_retry():
            return False
        await asyncio.sleep(seconds)
        return True

    def may_retry(self) -> bool:
        """Takes one retry from the budget, for callers that repeat calls themselves (`retries`
        0).
        """
        allowed = self._budget.take()
        if allowed:
            self.retries += 1
            call_retries.labels(self.dependency).inc()
        return allowed

    async def _guarded(
        self,
        request: "_Request",
        answer: "msgspec.json.Decoder[T]",
        replica: int,
        limit: Deadline,
        report: Report | None,
    ) -> T:
        """One attempt, if breaker and bulkhead admit it. Its result goes to the breaker."""
        if limit.remaining() < LEAST_SECONDS:
            raise Withheld(self.dependency, "no time left")
        permit = self.breaker.enter()
        if permit is None:
            self._count("circuit_open")
            raise BreakerOpen(self.dependency, self.breaker.opens_in())
        well: bool | None = None
        try:
            if not await self.bulkhead.enter(limit.remaining()):
                raise Withheld(self.dependency, "too many calls are under way")
            try:
                result = await self._attempt(request, answer, replica, limit, report)
            finally:
                self.bulkhead.leave()
            well = True
        except CallFailed as error:
            well = error.well
            raise
        finally:
            self.breaker.leave(permit, well)
        return result

    async def _attempt(
        self,
        request: "_Request",
        answer: "msgspec.json.Decoder[T]",
        replica: int,
        limit: Deadline,
        report: Report | None,
    ) -> T:
        started_at, clock = datetime.now(UTC), time.perf_counter()
        failure: CallFailed | None = None
        try:
            status, content = await self._send(request, replica, limit)
            return _decode(self.dependency, status, content, answer)
        except CallFailed as error:
            failure = error
            raise
        finally:
            self._count(
                "success"
                if failure is None
                else "refused"
                if isinstance(failure, Refused)
                else "failed"
            )
            if report is not None:
                report(Attempt(started_at, round((time.perf_counter() - clock) * 1000, 2), failure))

    def _count(self, outcome: str) -> None:
        self.attempts[outcome] += 1
        self._counters[outcome].inc()

    # --- one attempt

    async def _send(self, request: "_Request", replica: int, limit: Deadline) -> tuple[int, bytes]:
        """Status and body of any answer below 500. Skips replicas that refuse connections."""
        full_timeout = limit.remaining() >= self.policy.timeout_seconds / 2
        limit = limit.within(self.policy.timeout_seconds)
        if CUTS and await is_cut_off(self.dependency):
            raise NotSent(self.dependency, "cannot be connected to")
        for skipped in range(len(self._replicas)):
            remaining = limit.remaining()
            if remaining < LEAST_SECONDS:
                break
            connections = self._replicas[(replica + skipped) % len(self._replicas)]
            headers = self._headers | self._context(remaining)
            if request.body is not None:
                headers["content-type"] = "application/json"
            try:
                reply = await connections.send(
                    request.method, request.path, headers, request.body, remaining
                )
            except NeverSent:
                continue
            except (TransferFailed, TimeoutError) as error:
                raise self._unknown(error, remaining, full_timeout) from error
            return self._usable(reply), reply.body
        raise NotSent(self.dependency, "cannot be connected to")

    def _context(self, remaining: float) -> dict[str, str]:
        context = {DEADLINE_HEADER: str(int(remaining * 1000))}
        if trace := telemetry.trace_id.get():
            context["traceparent"] = telemetry.traceparent(trace)
        if self._tokens is not None:
            context["authorization"] = f"Bearer {self._tokens.for_service(self.dependency)}"
            if person := caller.person_token.get():
                context[caller.HEADER] = person
        return context

    def _usable(self, reply: Reply) -> int:
        """The status, unless it leaves the outcome open or requests a later retry."""
        status = reply.status
        if status == 429:
            raise Throttled(self.dependency, "too many calls", _retry_after(reply))
        if status == 503 and _problem(reply.body).get("code") != "outcome_unknown":
            raise NotSent(self.dependency, "overloaded or not ready", _retry_after(reply))
        if status >= 500:
            raise OutcomeUnknown(self.dependency, f"answered {status}")
        return status

    def _unknown(self, error: Exception, waited: float, full_timeout: bool) -> OutcomeUnknown:
        if not isinstance(error, TimeoutError):
            return OutcomeUnknown(self.dependency, "the connection was lost")
        kind = OutcomeUnknown if full_timeout else CutShort
        return kind(self.dependency, f"no answer within {waited:.1f} s")

    def _breaker_changed(self, state: str) -> None:
        breaker_changes.labels(self.dependency, state).inc()
        calls, failures = self.breaker.window()
        log.warning(
            "circuit breaker changed",
            dependency=self.dependency,
            state=state,
            calls=calls,
            failures=failures,
        )


class _Request(NamedTuple):
    method: str
    path: str
    body: bytes | None = None


def _decode(dependency: str, status: int, content: bytes, answer: "msgspec.json.Decoder[T]") -> T:
    if status >= 400:
        raise (Unacceptable if status in {400, 422} else Refused)(
            dependency, status, _problem(content)
        )
    try:
        return answer.decode(content)
    except msgspec.MsgspecError as error:
        raise OutcomeUnknown(dependency, "the answer cannot be read") from error


def _retry_after(reply: Reply) -> float:
    """Seconds of the Retry-After header. Dates and invalid values count as none."""
    value = reply.headers.get(b"retry-after", b"")
    return float(value) if value.isdigit() else 0.0


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
