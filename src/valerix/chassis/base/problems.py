"""Errors as people and programs read them: RFC 9457 problem documents with a stable `code`.

Problem
├── Invalid            400  malformed or invalid input, with a pointer for each bad field
├── Unauthenticated    401
├── Forbidden          403
├── NotFound           404
├── MethodNotAllowed   405  with Allow
├── Conflict           409
├── TooLarge           413
├── UnsupportedMedia   415
├── Unprocessable      422
├── TooMany            429
├── Unavailable        503  with Retry-After
├── DomainProblem           a domain error; the table of its service gives status and title
└── RequestTimeout, TooManyOpen, HeadersTooLarge, BadGateway, Overloaded, GatewayTimeout:
                            sent by the gateway only
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from valerix.contracts.errors import DomainError

MEDIA_TYPE = "application/problem+json"
PAGE: Final = "/problems"
"""The page of the gateway that explains every kind of problem."""


def type_of(code: str) -> str:
    """The kind of problem as a URI reference: its anchor on `PAGE` (RFC 9457, section 3.1.1).

    Documents stored before that page existed carry `urn:valerix:problem:` followed by the code.
    """
    return f"{PAGE}#{code}"


class FieldError(msgspec.Struct, frozen=True):
    """One bad field: an RFC 6901 JSON pointer into the body, and the fault of the value there."""

    pointer: str
    message: str


def challenge(error: str = "") -> dict[str, str]:
    """The header that describes how to authenticate, and the fault of the attempt, if any.

    See RFC 6750, section 3.
    """
    return {"WWW-Authenticate": 'Bearer realm="valerix"' + (f', error="{error}"' if error else "")}


class ProblemDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A refusal or a failure (RFC 9457). Further members depend on `code`."""

    type: str
    """The kind of problem: a reference to the page that explains all kinds."""
    title: str
    status: int
    code: str
    """A stable identifier of the problem. Programs branch on it."""
    detail: str
    trace_id: str
    """Finds the log lines of this request."""
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
    """The fault of each invalid field."""


class Problem(Exception):
    """A refusal that the caller can act on.

    `extra` becomes extension members of the document, `headers` become response headers.
    """

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
        """The problem about one field of the body, or about one parameter."""
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
    """This service cannot do the work now. Nothing was started."""

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
    """The HTTP part of the domain errors of one class."""

    status: int
    title: str
    headers: dict[str, str] = {}


Problems = Mapping[type[DomainError], ProblemType]


class DomainProblem(Problem):
    """A domain error in the form that its caller reads."""

    def __init__(self, kind: ProblemType, code: str, detail: str, extra: dict[str, Any]) -> None:
        # Does not call Problem.__init__, which copies `extra`: every refused order passes here.
        self.detail, self.headers, self.extra = detail, kind.headers, extra
        self.status, self.code, self.title = kind.status, code, kind.title
