"""Calls to one other service: its replicas in turn, a deadline, our identity and the trace carried along.

CallFailed
├── NotSent          no connection, no time left, or shed with 503 before work began: it had no effect
├── OutcomeUnknown   sent, but no usable answer: time-out, connection lost, 5xx. It may have had its effect
└── Refused          a definite 4xx; `problem` is the other side's problem document
"""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self, TypeVar

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import RequestError
from pyreqwest.response import Response

from valerix.chassis import caller, resilience, telemetry
from valerix.chassis.auth import TokenIssuer
from valerix.chassis.resilience import Deadline

T = TypeVar("T")
DEFAULT_TIMEOUT_SECONDS = 5.0
MAX_CONNECTIONS = 256


class CallFailed(Exception):
    """Base of all failures of a call; `dependency` names the other side."""

    def __init__(self, dependency: str, reason: str) -> None:
        super().__init__(f"{dependency}: {reason}")
        self.dependency = dependency
        self.reason = reason


class NotSent(CallFailed):
    """Nothing reached the other side, or it refused to begin: certainly no effect."""


class OutcomeUnknown(CallFailed):
    """It may or may not have had its effect: ask again under the same key."""


class Refused(CallFailed):
    """A definite refusal by the other side."""

    def __init__(self, dependency: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(dependency, str(problem.get("detail") or status))
        self.status = status
        self.problem = problem


class HttpClient:
    """Keep-alive connections to the replicas of one service."""

    def __init__(
        self,
        dependency: str,
        urls: Sequence[str],
        client: Client,
        *,
        tokens: TokenIssuer | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> None:
        self.dependency = dependency
        self._urls = urls
        self._next = itertools.cycle(range(len(urls)))
        self._client = client
        self._tokens = tokens
        self._headers = dict(headers or {})
        self._timeout = timeout_seconds

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        dependency: str,
        urls: Sequence[str],
        *,
        tokens: TokenIssuer | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> AsyncIterator[Self]:
        """`urls`: base URL of each replica. `headers` go out with every call."""
        builder = ClientBuilder().no_proxy().follow_redirects(False).user_agent("valerix")
        builder = builder.max_connections(MAX_CONNECTIONS).connect_timeout(timedelta(seconds=1))
        async with builder.build() as client:
            yield cls(dependency, urls, client, tokens=tokens, headers=headers, timeout_seconds=timeout_seconds)

    async def post(
        self,
        path: str,
        body: msgspec.Struct,
        answer: "msgspec.json.Decoder[T]",
        *,
        deadline: Deadline | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """POST `body`, decode a 2xx with `answer`. Raises CallFailed."""
        status, content = await self.send("POST", path, msgspec.json.encode(body), deadline=deadline, headers=headers)
        return self._decode(status, content, answer)

    async def get(self, path: str, answer: "msgspec.json.Decoder[T]", *, deadline: Deadline | None = None) -> T:
        """GET and decode a 2xx with `answer`. Raises CallFailed."""
        status, content = await self.send("GET", path, deadline=deadline)
        return self._decode(status, content, answer)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        deadline: Deadline | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of any answer below 500. A replica that cannot be connected to is passed over once."""
        limit = deadline.within(self._timeout) if deadline else Deadline.after(self._timeout)
        first = next(self._next)
        for attempt in range(len(self._urls)):
            remaining = limit.remaining()
            if remaining <= 0:
                raise NotSent(self.dependency, "no time left")
            url = self._urls[(first + attempt) % len(self._urls)]
            try:
                status, content = await self._send_once(method, url + path, body, remaining, headers)
            except RequestError as error:
                if not _never_connected(error):
                    raise self._unknown(error, remaining) from error
                if attempt + 1 < len(self._urls):
                    continue
                raise NotSent(self.dependency, "cannot be connected to") from error
            if status == 503 and _problem(content).get("code") != "outcome_unknown":
                raise NotSent(self.dependency, "overloaded or not ready")
            if status >= 500:
                raise OutcomeUnknown(self.dependency, f"answered {status}")
            return status, content
        raise NotSent(self.dependency, "has no address")

    def _unknown(self, error: RequestError, waited: float) -> OutcomeUnknown:
        late = isinstance(error, TimeoutError)
        return OutcomeUnknown(
            self.dependency, f"no answer within {waited:.1f} s" if late else "the connection was lost"
        )

    async def _send_once(
        self, method: str, url: str, body: bytes | None, remaining: float, headers: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        request = self._client.request(method, url).timeout(timedelta(seconds=remaining))
        request = request.headers({**self._headers, **self._context(remaining), **(headers or {})})
        if body is not None:
            request = request.header("content-type", "application/json").body_bytes(body)
        response: Response = await request.build().send()
        return response.status, (await response.bytes()).to_bytes()

    def _context(self, remaining: float) -> dict[str, str]:
        context = {resilience.HEADER: str(int(remaining * 1000))}
        if trace := telemetry.trace_id.get():
            context["traceparent"] = telemetry.traceparent(trace)
        if self._tokens is not None:
            context["authorization"] = f"Bearer {self._tokens.for_service(self.dependency)}"
            if person := caller.person_token.get():
                context[caller.HEADER] = person
        return context

    def _decode(self, status: int, content: bytes, answer: "msgspec.json.Decoder[T]") -> T:
        if status >= 400:
            raise Refused(self.dependency, status, _problem(content))
        try:
            return answer.decode(content)
        except msgspec.MsgspecError as error:
            raise OutcomeUnknown(self.dependency, "the answer cannot be read") from error


def _never_connected(error: RequestError) -> bool:
    """Whether no byte can have reached the other side.

    The library's ConnectError also covers connections lost after the request was sent; its causes tell them apart.
    """
    causes = (error.details or {}).get("causes") or []
    return any(cause["message"] == "client error (Connect)" for cause in causes)


def _problem(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
