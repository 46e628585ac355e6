"""Steps of a call, without any I/O: a flow yields steps and receives their outcomes.

The blocking and the asynchronous client run the same flows; every decision is made in the flows.
"""

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Request(NamedTuple):
    """A step: send this request."""

    method: str
    path: str
    """With the query."""
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Pause(NamedTuple):
    """A step: wait."""

    seconds: float


class SignIn(NamedTuple):
    """A step: replace the token `stale`.

    When several flows need it at once, one of them signs in for all.
    """

    stale: str | None


class Answer(NamedTuple):
    """An answer of the server, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    """By lower-case name."""

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait as the server requests; None without that header."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() else None


class NoReply(NamedTuple):
    """No answer came. `sent` is False when certainly nothing reached the server."""

    reason: str
    sent: bool


Outcome = Answer | NoReply
Flow = Generator[Request | Pause | SignIn, Outcome | None, T]
