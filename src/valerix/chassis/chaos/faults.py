"""What can be injected on purpose, as an administrator asks for it and as it is kept."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from valerix.contracts import text

Times = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=600_000)]
Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
Path = Annotated[str, msgspec.Meta(pattern=text.PATH, max_length=200)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", forbid_unknown_fields=True):
    """Ends by itself. `path`, where there is one: only requests whose path begins with it."""

    duration_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60

    @property
    def slot(self) -> tuple[str, ...]:
        """What is injected anew takes the place of what has the same slot."""
        return (type(self).__name__,)


class Gremlin(_Asked, frozen=True, kw_only=True, rename="camel", tag="gremlin"):
    """Every so many requests, counted by each copy, one waits before it is worked on."""

    every: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5
    delay_ms: Milliseconds = 3000
    times: Times | None = None
    path: Path | None = None


class Crash(_Asked, frozen=True, kw_only=True, rename="camel", tag="crash"):
    """After the commit and before the reply: drop the connection, or kill the process. The next `times` changes."""

    how: Literal["drop", "kill"] = "drop"
    times: Times = 1
    path: Path | None = None


class Errors(_Asked, frozen=True, kw_only=True, rename="camel", tag="errors"):
    """A fraction of the requests is answered 503, and nothing is begun."""

    fraction: Fraction = 0.5
    path: Path | None = None


class Cut(_Asked, frozen=True, kw_only=True, rename="camel", tag="cut"):
    """Calls to a dependency fail as if the network were gone."""

    dependency: Name

    @property
    def slot(self) -> tuple[str, ...]:
        return ("Cut", self.dependency)


class Failpoint(_Asked, frozen=True, kw_only=True, rename="camel", tag="failpoint"):
    """At a named point between two durable steps: kill the process, wait, drop the reply, or fail."""

    point: Name
    action: Literal["kill", "hang", "drop", "error"] = "kill"
    delay_ms: Milliseconds = 3000
    """How long to hang."""
    times: Times = 1

    @property
    def slot(self) -> tuple[str, ...]:
        return ("Failpoint", self.point)


class Behaviour(_Asked, frozen=True, kw_only=True, rename="camel", tag="behaviour"):
    """Something this service can be told to do wrong, by the name it gave it."""

    name: Name
    fraction: Fraction = 1.0
    times: Times | None = None

    @property
    def slot(self) -> tuple[str, ...]:
        return ("Behaviour", self.name)


Fault = Gremlin | Crash | Errors | Cut | Failpoint | Behaviour


class Injected(msgspec.Struct, frozen=True, rename="camel"):
    """A fault, and who wanted it when."""

    id: str
    fault: Fault
    by: str
    since: datetime
    until: datetime
    stopped_at: datetime | None = None
    stopped_by: str | None = None

    def is_over(self, now: datetime) -> bool:
        return self.stopped_at is not None or self.until <= now

    @property
    def times(self) -> int | None:
        """How often it may strike, over all copies; None: as often as it likes."""
        return getattr(self.fault, "times", None)


class Register(msgspec.Struct, frozen=True):
    """Everything injected into one service, oldest first; `version` counts its changes."""

    version: int = 0
    faults: tuple[Injected, ...] = ()
