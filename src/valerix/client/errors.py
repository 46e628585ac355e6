"""Exceptions of the client.

ValerixError
├── NotConnected         nothing was sent: no server listens there, or the address is wrong
├── NoAnswer             sent, but not answered: the request may have had its effect
├── UnreadableAnswer     an answer that this version of the client cannot read
├── StatusNotReached     the order did not reach the status that the caller waited for
└── Refused              a definite answer: a problem document (RFC 9457)
    ├── Invalid            400  `errors` points at each bad field
    ├── Unauthenticated    401
    ├── PaymentDeclined    402  `order` is the failed order
    ├── Forbidden          403
    ├── NotFound           404
    ├── Conflict           409  `order` when the stock was insufficient
    │   └── InsufficientStock
    ├── VersionMismatch    409 or 412
    ├── Unprocessable      422  unknown product or customer (with `order`); a key used with
    │                           another body
    ├── TooManyRequests    429
    └── ServerFailed       5xx
"""

from http import HTTPStatus
from typing import Final

import msgspec

from valerix.client.models import Order
from valerix.client.steps import Answer, NoReply


class ValerixError(Exception):
    """Base of all errors.

    `idempotency_key`: the key under which the change may be repeated, or None.
    """

    idempotency_key: str | None = None


class NotConnected(ValerixError):
    """Nothing was sent."""


class NoAnswer(ValerixError):
    """The request may or may not have had its effect: repeat it under the same key, or check."""


class UnreadableAnswer(ValerixError):
    """The server's answer does not match the API's description."""


class StatusNotReached(ValerixError):
    """`order`: its last known state."""

    def __init__(self, message: str, order: Order) -> None:
        super().__init__(message)
        self.order = order


class FieldError(msgspec.Struct, frozen=True):
    """One invalid field: a JSON pointer into the body, and the reason."""

    pointer: str
    message: str


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """The problem document of a refusal (RFC 9457)."""

    title: str = ""
    code: str = ""
    detail: str = ""
    trace_id: str = ""
    errors: list[FieldError] = []
    order: Order | None = None


class Refused(ValerixError):
    """A definite answer from 300 on.

    `code` is stable; `detail` is for people. `retry_after`: seconds to wait as the server requests,
    or None.
    """

    def __init__(self, status: int, problem: Problem, retry_after: float | None) -> None:
        super().__init__(problem.detail or problem.title or f"HTTP {status}")
        self.status = status
        self.title = problem.title
        self.code = problem.code
        self.detail = problem.detail
        self.errors = problem.errors
        self.order = problem.order
        self.trace_id = problem.trace_id
        self.retry_after = retry_after


class Invalid(Refused):
    """400"""


class Unauthenticated(Refused):
    """401"""


class PaymentDeclined(Refused):
    """402"""


class Forbidden(Refused):
    """403"""


class NotFound(Refused):
    """404"""


class Conflict(Refused):
    """409"""


class InsufficientStock(Conflict):
    """409: the order is held or has failed, as its `onShortage` requested."""


class VersionMismatch(Refused):
    """409 or 412: the object has changed since it was read."""


class Unprocessable(Refused):
    """422"""


class TooManyRequests(Refused):
    """429"""


class ServerFailed(Refused):
    """5xx: for 500, `trace_id` leads to the cause; 503 is temporary."""


_BY_STATUS: Final[dict[int, type[Refused]]] = {
    400: Invalid,
    401: Unauthenticated,
    402: PaymentDeclined,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: VersionMismatch,
    422: Unprocessable,
    429: TooManyRequests,
}
_BY_CODE: Final[dict[str, type[Refused]]] = {
    "insufficient_stock": InsufficientStock,
    "version_conflict": VersionMismatch,
}
_decoder = msgspec.json.Decoder(Problem)


def read_problem(answer: Answer) -> Problem:
    """The problem document of an answer.

    Without one (a load balancer's answer), the status in words.
    """
    try:
        return _decoder.decode(answer.body)
    except msgspec.MsgspecError:
        return Problem(title=_in_words(answer.status))


def _in_words(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def refusal(answer: Answer) -> Refused:
    """The exception for an answer with a status of 300 or more."""
    problem = read_problem(answer)
    fallback = ServerFailed if answer.status >= 500 else Refused
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(answer.status, fallback)
    return kind(answer.status, problem, answer.retry_after)


def unanswered(reply: NoReply) -> ValerixError:
    """The exception for a request that was never answered."""
    return NoAnswer(reply.reason) if reply.sent else NotConnected(reply.reason)
