"""What a call consists of, without any I/O: a flow yields steps, and whoever drives it sends back what came of each.

The blocking and the asynchronous client drive the same flows; all that is decided is decided in them.
"""

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Request(NamedTuple):
    """Send this."""

    method: str
    path: str
    """With its query."""
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Pause(NamedTuple):
    """Wait."""

    seconds: float


class SignIn(NamedTuple):
    """Get a token in place of `stale`; several flows may ask for it at once, one of them gets it for all."""

    stale: str | None


class Answer(NamedTuple):
    """Whatever status it has."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    """By lower-case name."""

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks to wait."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdigit() else None


class NoReply(NamedTuple):
    """No answer; `sent` is False when certainly nothing reached the other side."""

    reason: str
    sent: bool


Outcome = Answer | NoReply
Flow = Generator[Request | Pause | SignIn, Outcome | None, T]
