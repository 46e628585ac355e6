"""What happens to every HTTP request on its way in and out: body limits, the answer, the log line, the metrics."""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Receive, Send
from prometheus_client import Counter, Histogram

from valerix.chassis.base import telemetry, validation
from valerix.chassis.base.deadline import DeadlineExceeded
from valerix.chassis.base.problems import (
    MEDIA_TYPE,
    DomainProblem,
    FieldError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    ProblemType,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)
from valerix.chassis.calls.client import CallFailed, NotSent
from valerix.chassis.chaos.points import ReplyDropped
from valerix.chassis.http.raw import RawResponse
from valerix.chassis.postgres.database import IMPOSSIBLE, CommitOutcomeUnknown
from valerix.contracts.errors import DomainError
from valerix.contracts.faults import READ_FAULTS
from valerix.contracts.revocations import LIST_REVOKED

log = structlog.get_logger()
requests_total = Counter("http_requests_total", "HTTP requests answered", ["method", "endpoint", "status"])
request_seconds = Histogram(
    "http_request_duration_seconds",
    "Time from the first byte read to the last byte handed over",
    ["method", "endpoint", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LOG_DELAY_SECONDS = 0.02
CONNECTION = "connection"
"""Where the server puts the transport of a request's connection, in the request's state."""
DISCONNECT_SECONDS = 1.0
_lines: list[bytes] = []
QUIET = frozenset({"/health", "/ready", "/metrics", LIST_REVOKED, READ_FAULTS})
"""Asked every second; a line each would drown the others."""
NO_NUL = "Text may not contain the character U+0000"
BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
problem_types: dict[type[DomainError], ProblemType] = {}
"""Filled with what compositions hand over."""
_NAMED = {404: NotFound, 405: MethodNotAllowed, 401: Unauthenticated, 403: Forbidden, 413: TooLarge}


class OutcomeUnknownProblem(Unavailable):
    code, title = "outcome_unknown", "The outcome is not known yet"


class ImpossibleValue(Unprocessable):
    code, title = "impossible_value", "A value cannot be stored"


class DependencyUnavailable(Unavailable):
    code = "dependency_unavailable"


class Exchange:
    """The answering half of one request; remembers the status that was sent."""

    def __init__(self, send: Send, trace: str) -> None:
        self._send = send
        self._trace = trace.encode()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Go out with the answer, whatever it is."""

    async def send(self, message: Any) -> None:
        """For Litestar: pass on, note the status, add our own headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"trace-id", self._trace), *self.headers]
        await self._send(message)

    async def respond(self, response: RawResponse) -> None:
        """Send a whole answer at once."""
        self.status = response.status
        headers = [(b"content-type", response.media_type), (b"trace-id", self._trace), *self.headers, *response.headers]
        if response.status != 304:  # there it would be the length of what the client has
            headers.append((b"content-length", b"%d" % len(response.body)))
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": False})

    async def drop(self, scope: Any, receive: Receive) -> None:
        """Cut the connection without a word; returns once the server has noticed."""
        connection = scope.get("state", {}).get(CONNECTION)
        if connection is None:
            return
        connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCONNECT_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass

    async def respond_problem(self, error: Exception) -> None:
        """Answer with a problem document, unless an answer has begun already."""
        problem = to_problem(error)
        if self.status:
            log.error("failed after the answer began", status=self.status)
            return
        await self.respond(problem_response(problem))


def problem_response(problem: Problem) -> RawResponse:
    """The raw form of a problem document."""
    body = msgspec.json.encode(problem.document(telemetry.trace_id.get()))
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return RawResponse(problem.status, body, headers, MEDIA_TYPE.encode())


def litestar_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's exception handler for everything."""
    if isinstance(error, ReplyDropped):
        raise error
    problem = _invalid_input(request, error) if isinstance(error, ValidationException) else to_problem(error)
    document = problem.document(telemetry.trace_id.get())
    return Response(document, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


def to_problem(error: Exception) -> Problem:
    """Any exception as the problem its caller should read; what nobody foresaw is logged and answered 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, DomainError) and (kind := problem_types.get(type(error))):
        return DomainProblem(kind, error.code, error.detail, error.extra)
    if isinstance(error, CommitOutcomeUnknown):
        return OutcomeUnknownProblem("The database connection was lost; repeat the request under the same key")
    if isinstance(error, NotSent | DeadlineExceeded):
        return DependencyUnavailable("A service this depends on cannot be reached; try again")
    if isinstance(error, CallFailed):
        return OutcomeUnknownProblem("A service this depends on gave no answer; repeat the request under the same key")
    return _from_litestar(error)


def _from_litestar(error: Exception) -> Problem:
    if isinstance(error, HTTPException):
        if error.status_code in _NAMED:
            named: Problem = _NAMED[error.status_code](error.detail or "Not found")
            return named
        if error.status_code < 500:
            return Invalid(error.detail)
    log.error("unexpected error", exc_info=error)
    if isinstance(error, IMPOSSIBLE):
        return ImpossibleValue("One of the values cannot be stored; the trace id leads to the reason")
    return Problem("Something went wrong on our side; the trace id leads to it")


def _invalid_input(request: Request[Any, Any, Any], error: ValidationException) -> Problem:
    """Bad parameters, by the names callers know them by; bodies were checked before Litestar saw them."""
    found = [e for e in (error.extra or []) if isinstance(e, dict) and e.get("source") not in (None, "body")]
    errors = [FieldError(f"/{_public_name(request, e.get('key', ''))}", str(e.get("message", ""))) for e in found]
    if errors:
        return Invalid(f"Check {errors[0].pointer[1:]}: {errors[0].message}", errors)
    return Invalid("Send a JSON body")


def _public_name(request: Request[Any, Any, Any], parameter: str) -> str:
    defined = request.route_handler.parsed_fn_signature.parameters.get(parameter)
    alias = getattr(defined and defined.kwarg_definition, "query", None)
    return str(alias or parameter)


def check_body(scope: Any, kind: Any) -> None:
    """Strictly: Litestar would take the text "2" for the number 2. Raises Invalid with a pointer for each bad field."""
    if body := scope.get("valerix_body"):
        validation.decode(_decoder(kind), body)


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


async def read_body(scope: Any, headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge over `limit` bytes and UnsupportedMedia when it is not JSON."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"The body may have at most {limit} bytes")
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("The client went away before the body was complete")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise TooLarge(f"The body may have at most {limit} bytes")
        more = message.get("more_body", False)
    if size and not headers.get(b"content-type", b"").startswith(b"application/json"):
        raise UnsupportedMedia("Send the body as Content-Type: application/json")
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if b"\\u0000" in body:
        raise Invalid(NO_NUL)
    return body


def refuse_nul(scope: Any) -> None:
    """PostgreSQL stores no NUL character; past this door one would fail the whole batch its request travels in."""
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        raise Invalid(NO_NUL)


async def with_body(scope: Any, headers: dict[bytes, bytes], receive: Receive, limit: int) -> Receive:
    """A `receive` that replays the body, which was read and checked here."""
    if scope["method"] not in BODY_METHODS:
        return receive
    body = scope["valerix_body"] = await read_body(scope, headers, receive, limit)
    replay: Any = {"type": "http.request", "body": body, "more_body": False}

    async def again() -> Any:
        nonlocal replay
        if replay is None:
            return await receive()
        message, replay = replay, None
        return message

    return again


def record(service: str, method: str, endpoint: str, status: int, started: float, trace: str) -> float:
    """Count the request and write its log line; the seconds it took.

    The line is preformatted: every value is ours, none needs escaping.
    """
    seconds = time.perf_counter() - started
    answered, taken = _meters(method, endpoint, status)
    answered.inc()
    taken.observe(seconds)
    if endpoint in QUIET:
        return seconds
    if not _lines:
        asyncio.get_running_loop().call_later(LOG_DELAY_SECONDS, write_lines)
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    _lines.append(
        f'{{"timestamp":"{now}","level":"info","service":"{service}","trace_id":"{trace}","message":"request",'
        f'"method":"{method}","endpoint":"{endpoint}","status":{status},"duration_ms":{seconds * 1000:.1f}}}\n'.encode()
    )
    return seconds


def write_lines() -> None:
    """Write the lines of the last moments: one system call for all, and one for whoever reads them."""
    sys.stdout.buffer.write(b"".join(_lines))
    sys.stdout.buffer.flush()
    _lines.clear()


@cache
def _meters(method: str, endpoint: str, status: int) -> tuple[Counter, Histogram]:
    """Looking labels up costs more than counting; there are only so many routes and statuses."""
    labels = (method, endpoint, str(status))
    return requests_total.labels(*labels), request_seconds.labels(*labels)
