"""Errors as people and programs read them: RFC 9457 problem documents with a stable `code`.

Problem
├── Invalid            400  malformed or invalid input, a pointer for each bad field
├── Unauthenticated    401
├── Forbidden          403
├── NotFound           404
├── MethodNotAllowed   405  with Allow
├── Conflict           409
├── TooLarge           413
├── UnsupportedMedia   415
├── Unprocessable      422
├── Unavailable        503  with Retry-After
├── DomainProblem           an error of a domain, as the table of its service says
└── RequestTimeout, TooManyOpen, HeadersTooLarge, BadGateway, Overloaded, GatewayTimeout: answered by the gateway alone
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from valerix.contracts.errors import DomainError

MEDIA_TYPE = "application/problem+json"
PAGE: Final = "/problems"
"""Where the gateway explains every kind of problem."""


def type_of(code: str) -> str:
    """The kind of problem as a URI reference (RFC 9457, section 3.1.1): its place on the page.

    What was stored before there was the page says `urn:valerix:problem:` and the code.
    """
    return f"{PAGE}#{code}"


class FieldError(msgspec.Struct, frozen=True):
    """One bad field: an RFC 6901 JSON pointer into the body, and what is wrong there."""

    pointer: str
    message: str


def challenge(error: str = "") -> dict[str, str]:
    """How to authenticate, and what was wrong with the attempt (RFC 6750, section 3)."""
    return {"WWW-Authenticate": 'Bearer realm="valerix"' + (f', error="{error}"' if error else "")}


class ProblemDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A refusal or a failure (RFC 9457). Further members depend on `code`."""

    type: str
    """The kind of problem: a place on the page that explains all of them."""
    title: str
    status: int
    code: str
    """Stable; programs decide by it."""
    detail: str
    trace_id: str
    """Finds the log lines of this request."""
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
    """What is wrong with each bad field."""


class Problem(Exception):
    """A refusal the caller can act on. `extra` becomes extension members, `headers` response headers."""

    status: int = 500
    code: str = "internal"
    title: str = "Internal error"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra

    def document(self, trace_id: str) -> dict[str, Any]:
        """The problem document, ready to encode."""
        return {
            "type": type_of(self.code),
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "traceId": trace_id,
            **self.extra,
        }


class Invalid(Problem):
    status, code, title = 400, "invalid", "The request is not valid"

    def __init__(self, detail: str, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        if errors:
            self.extra["errors"] = errors

    @classmethod
    def of(cls, name: str, message: str) -> "Invalid":
        """About one field of the body, or one parameter."""
        return cls(f"Check {name}: {message}", [FieldError(f"/{name}", message)])


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "Sign in first"

    def __init__(self, detail: str, error: str = "") -> None:
        """`error`: what is wrong with the token that was sent (RFC 6750, section 3.1)."""
        super().__init__(detail, headers=challenge(error))


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(Problem):
    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "Method not allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        allow = ", ".join(allowed)
        super().__init__(f"This path has the methods {allow}", headers={"Allow": allow})


class Conflict(Problem):
    status, code, title = 409, "conflict", "Conflict"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "The request is too large"


class UnsupportedMedia(Problem):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Unprocessable(Problem):
    status, code, title = 422, "unprocessable", "The request cannot be processed"


class TooMany(Problem):
    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(Problem):
    """This service cannot do the work now; nothing was begun."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"

    def __init__(self, detail: str, retry_after_seconds: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class RequestTimeout(Problem):
    status, code, title = 408, "request_timeout", "Request timeout"


class TooManyOpen(TooMany):
    code, title = "too_many_open", "Too many requests"


class HeadersTooLarge(Problem):
    status, code, title = 431, "headers_too_large", "The headers are too large"


class BadGateway(Problem):
    status, code, title = 502, "bad_gateway", "No valid answer"


class Overloaded(Unavailable):
    code, title = "overloaded", "Temporarily unavailable"


class GatewayTimeout(Problem):
    status, code, title = 504, "gateway_timeout", "No answer in time"


class ProblemType(msgspec.Struct, frozen=True):
    """What HTTP adds to a domain error of one class."""

    status: int
    title: str
    headers: dict[str, str] = {}


Problems = Mapping[type[DomainError], ProblemType]


class DomainProblem(Problem):
    """A domain error as its caller reads it."""

    def __init__(self, kind: ProblemType, code: str, detail: str, extra: dict[str, Any]) -> None:
        # Not by way of Problem's: every refused order passes here, and that would copy `extra`.
        self.detail, self.headers, self.extra = detail, kind.headers, extra
        self.status, self.code, self.title = kind.status, code, kind.title
