"""The edge: body limits, the answer, the log line and the metrics of every HTTP request."""

import asyncio
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
import structlog
from litestar import Litestar, Request, Response
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
from valerix.chassis.http.raw import JSON, RawResponse
from valerix.chassis.postgres.database import IMPOSSIBLE, CommitOutcomeUnknown
from valerix.chassis.semantics.reading import Reading
from valerix.contracts import text
from valerix.contracts.errors import DomainError
from valerix.contracts.faults import READ_FAULTS
from valerix.contracts.revocations import LIST_REVOKED

log = structlog.get_logger()
requests_total = Counter(
    "http_requests_total", "HTTP requests answered", ["method", "endpoint", "status"]
)
request_seconds = Histogram(
    "http_request_duration_seconds",
    "Time from the first byte read to the last byte handed over",
    ["method", "endpoint", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LOG_DELAY_SECONDS = 0.02
CONNECTION = "connection"
"""The key in the request's state under which the server stores the transport of its connection."""
DISCONNECT_SECONDS = 1.0
_lines: list[bytes] = []
QUIET = frozenset({"/health", "/ready", "/metrics", LIST_REVOKED, READ_FAULTS})
"""Paths that are requested every second. A log line for each request would hide the others."""
BODILESS = frozenset({204, 304})
"""Statuses without length and type: these would describe the client's copy, or nothing."""
NO_NUL = "Text may not contain the character U+0000"
BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
API = "/api/v1/"
BODY, REFUSAL = "valerix_body", "valerix_refusal"
"""Keys in the scope: the body, and the refusal of its texts.

A handler that decides about the refusal itself has the parameter `refusal`.
"""
PARAMETERS = "query_parameters"
"""The key in the options of a handler for the names of its query parameters."""
IGNORED_PARAMETERS = ("_", "utm_")
"""Prefixes of parameter names that caches and campaigns add."""
problem_types: dict[type[DomainError], ProblemType] = {}
"""The problem of each domain error. Every composition adds its own."""
IDENTITY = b"identity"
MAX_DIGITS = 9
"""Maximum number of digits in a header; longer numbers exceed every limit."""
NO_PARAMETERS = "Unknown query parameter; there are none here"
_NAMED = {404: NotFound, 401: Unauthenticated, 403: Forbidden, 413: TooLarge}


class OutcomeUnknownProblem(Unavailable):
    code, title = "outcome_unknown", "The outcome is not known yet"


class ImpossibleValue(Unprocessable):
    code, title = "impossible_value", "A value cannot be stored"


class DependencyUnavailable(Unavailable):
    code = "dependency_unavailable"


class ResponseWriter:
    """Writes the response to one request, and records the status that was sent."""

    def __init__(self, send: Send, trace: str, reading: Reading | None = None) -> None:
        """`reading`: the conditions of a request that reads."""
        self._send = send if reading is None else reading.of(self._noting(send))
        self._trace = trace.encode()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        """Sent with every answer, whatever it is."""

    def _noting(self, send: Send) -> Send:
        """Records the status that is sent, which the conditions of a read may have changed."""

        async def noting(message: Any) -> None:
            self.status = message.get("status", self.status)
            await send(message)

        return noting

    async def send(self, message: Any) -> None:
        """For Litestar: forwards a message, records the status and adds the edge's headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"trace-id", self._trace),
                *self._own_headers(),
            ]
        await self._send(message)

    async def respond(self, response: RawResponse) -> None:
        """Sends a complete response."""
        self.status = response.status
        headers = [(b"trace-id", self._trace), *self._own_headers(), *response.headers]
        if response.status not in BODILESS:
            headers += [
                (b"content-type", response.media_type),
                (b"content-length", b"%d" % len(response.body)),
            ]
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": headers}
        )
        await self._send({"type": "http.response.body", "body": response.body, "more_body": False})

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the edge.

        A refusal by one limit omits the state of another limit that has capacity left.
        """
        if self.status != 429:
            return self.headers
        return [header for header in self.headers if not header[0].startswith(b"ratelimit")]

    async def drop(self, scope: Any, receive: Receive) -> None:
        """Closes the connection without an answer. Returns when the server has noticed."""
        connection = scope.get("state", {}).get(CONNECTION)
        if connection is None:
            return
        connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCONNECT_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass

    async def respond_problem(self, error: Exception) -> None:
        """Answers with a problem document, unless an answer has started already."""
        problem = to_problem(error)
        if self.status:
            log.error("failed after the answer began", status=self.status)
            return
        await self.respond(problem_response(problem))


def problem_response(problem: Problem) -> RawResponse:
    """The raw response with a problem document."""
    body = msgspec.json.encode(problem.document(telemetry.trace_id.get()))
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return RawResponse(problem.status, body, headers, MEDIA_TYPE.encode())


def litestar_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The exception handler of Litestar for all exceptions."""
    if isinstance(error, ReplyDropped):
        raise error
    problem = (
        _invalid_input(request, error)
        if isinstance(error, ValidationException)
        else to_problem(error)
    )
    document = problem.document(telemetry.trace_id.get())
    return Response(
        document, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers
    )


def to_problem(error: Exception) -> Problem:
    """Converts any exception to the problem that its caller reads.

    An unexpected exception is logged and answered with 500.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, DomainError) and (kind := problem_types.get(type(error))):
        return DomainProblem(kind, error.code, error.detail, error.extra)
    if isinstance(error, CommitOutcomeUnknown):
        return OutcomeUnknownProblem(
            "The database connection was lost; repeat the request under the same key"
        )
    if isinstance(error, NotSent | DeadlineExceeded):
        return DependencyUnavailable("A service this depends on cannot be reached; try again")
    if isinstance(error, CallFailed):
        return OutcomeUnknownProblem(
            "A service this depends on gave no answer; repeat the request under the same key"
        )
    return _from_litestar(error)


def _from_litestar(error: Exception) -> Problem:
    if isinstance(error, HTTPException):
        if error.status_code in _NAMED:
            named: Problem = _NAMED[error.status_code](error.detail or "Not found")
            return named
        if error.status_code < 500:
            return Invalid(error.detail)
    if isinstance(error, RecursionError):  # a later parser had less stack left than the first one
        return Invalid(validation.TOO_DEEP)
    log.error("unexpected error", exc_info=error)
    if isinstance(error, IMPOSSIBLE):
        return ImpossibleValue(
            "One of the values cannot be stored; the log lines with this trace id name the reason"
        )
    return Problem("The service failed; the log lines with this trace id name the reason")


def _invalid_input(request: Request[Any, Any, Any], error: ValidationException) -> Problem:
    """Bad parameters, under the names that callers know.

    Bodies were checked before Litestar read them.
    """
    found = [
        e
        for e in (error.extra or [])
        if isinstance(e, dict) and e.get("source") not in (None, "body")
    ]
    errors = [_bad_parameter(request, e.get("key", ""), str(e.get("message", ""))) for e in found]
    if errors:
        return Invalid(f"Check {errors[0].pointer[1:]}: {errors[0].message}", errors)
    return Invalid("Send a JSON body")


def _bad_parameter(request: Request[Any, Any, Any], parameter: str, message: str) -> FieldError:
    defined = request.route_handler.parsed_fn_signature.parameters.get(parameter)
    if defined is None:
        return FieldError(f"/{parameter}", message)
    alias = getattr(defined.kwarg_definition, "name", None)
    kind: Any = Annotated[
        defined.annotation, msgspec.Meta(pattern=getattr(defined.kwarg_definition, "pattern", None))
    ]
    return FieldError(f"/{alias or parameter}", validation.reason(message, kind))


async def check_request(scope: Any, handler: Any) -> None:
    """Checks query parameters and body of an authorized request.

    The body is decoded strictly: Litestar would accept the text "2" for the number 2. Raises
    Invalid with a pointer for each bad field, TooLarge, UnsupportedMedia.
    """
    refuse_unknown(scope, handler.opt.get(PARAMETERS, frozenset()))
    if scope["method"] not in BODY_METHODS:
        return
    body = await scope[BODY].read()
    if handler.parsed_data_field is None or not body:
        return
    kind = handler.parsed_data_field.annotation
    validation.decode(_decoder(kind), body)
    refusal = scope[REFUSAL] = validation.refused_text(kind, body)
    if refusal is not None and "refusal" not in handler.parsed_fn_signature.parameters:
        raise refusal


def refuse_unknown(scope: Any, known: frozenset[str]) -> None:
    """Raises Invalid for a query parameter of the API that nothing reads.

    Otherwise its caller would believe that it has an effect.
    """
    if not scope["query_string"] or not scope["path"].startswith(API):
        return
    names = [
        name
        for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    ]
    unknown = [
        name for name in names if name not in known and not name.startswith(IGNORED_PARAMETERS)
    ]
    if unknown:
        message = (
            f"Unknown query parameter; known: {', '.join(sorted(known))}"
            if known
            else NO_PARAMETERS
        )
        errors = [
            FieldError(f"/{name[: validation.MAX_SHOWN]}", message)
            for name in dict.fromkeys(unknown)
        ]
        raise Invalid(f"Check {errors[0].pointer[1:]}: {message}", errors[: validation.MAX_ERRORS])


def note_parameters(app: Litestar) -> None:
    """Stores in the options of each handler the names of its query parameters."""
    for route in app.routes:
        for handler, model in getattr(route, "route_handler_map", {}).values():
            handler.opt[PARAMETERS] = frozenset(
                parameter.field_alias for parameter in model.expected_query_params
            )


@cache
def _decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


async def read_body(scope: Any, headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises TooLarge above `limit` bytes, and UnsupportedMedia when it is not JSON, or compressed.
    """
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and (len(declared) > MAX_DIGITS or int(declared) > limit):
        raise TooLarge(f"The body may have at most {limit} bytes")
    if headers.get(b"content-encoding", IDENTITY).lower() != IDENTITY:
        raise UnsupportedMedia(
            "Send the body as it is, without Content-Encoding",
            headers={"Accept-Encoding": IDENTITY.decode()},
        )
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("The client disconnected before the body was complete")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise TooLarge(f"The body may have at most {limit} bytes")
        more = message.get("more_body", False)
    if size and not _is_json(headers.get(b"content-type", b"")):
        raise UnsupportedMedia("Send the body as Content-Type: application/json")
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if b"\\u0000" in body:
        raise Invalid(NO_NUL)
    return body


def _is_json(media_type: bytes) -> bool:
    return media_type == JSON or media_type.partition(b";")[0].strip().lower() == JSON


def refuse_text(scope: Any) -> None:
    """Raises Invalid for a path or query with forbidden characters (contracts.text)."""
    if not text.is_line(scope["path"]):
        raise Invalid(f"Check the path: {text.REFUSED}")
    query = scope["query_string"]
    if query and not text.is_line(unquote_to_bytes(query).decode(errors="replace")):
        raise Invalid(f"Check the query: {text.REFUSED}")


class Body:
    """The body of a request for Litestar: read once the caller is authorized, then replayed."""

    def __init__(
        self, scope: Any, headers: dict[bytes, bytes], receive: Receive, limit: int
    ) -> None:
        self._read = partial(read_body, scope, headers, receive, limit)
        self._receive = receive
        self._replay: Any = None

    async def read(self) -> bytes:
        """The whole body, on the first call. Raises the errors of read_body."""
        body = await self._read()
        self._replay = {"type": "http.request", "body": body, "more_body": False}
        return body

    async def receive(self) -> Any:
        """For Litestar: the body, which was read and checked, then all later messages."""
        if self._replay is None:
            return await self._receive()
        message, self._replay = self._replay, None
        return message


def record(
    service: str, method: str, endpoint: str, status: int, started: float, trace: str
) -> float:
    """Counts the request and writes its log line; returns its duration in seconds.

    The line is preformatted: every value comes from the service itself, none needs escaping.
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
    line = (
        f'{{"timestamp":"{now}","level":"info","service":"{service}","trace_id":"{trace}",'
        f'"message":"request","method":"{method}","endpoint":"{endpoint}","status":{status},'
        f'"duration_ms":{seconds * 1000:.1f}}}\n'
    )
    _lines.append(line.encode())
    return seconds


def write_lines() -> None:
    """Writes the collected lines with one system call, so that their reader also needs only one."""
    telemetry.LogStream(sys.stdout.buffer).write(b"".join(_lines))
    _lines.clear()


@cache
def _meters(method: str, endpoint: str, status: int) -> tuple[Counter, Histogram]:
    """The two metrics with these labels, cached: finding labels costs more than counting.

    The cache stays small, because the number of routes and statuses is limited.
    """
    labels = (method, endpoint, str(status))
    return requests_total.labels(*labels), request_seconds.labels(*labels)
