"""The faults that can be injected, as an administrator requests them and as they are stored."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from valerix.contracts import text

Times = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=600_000)]
Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
Path = Annotated[str, msgspec.Meta(pattern=text.PATH, max_length=200)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class _RequestedFault(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    tag_field="kind",
    forbid_unknown_fields=True,
):
    """A requested fault. It ends by itself after `duration_seconds`.

    Where a fault has a `path`, it affects only requests with paths that begin with it.
    """

    duration_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60

    @property
    def slot(self) -> tuple[str, ...]:
        """A newly injected fault replaces the fault with the same slot."""
        return (type(self).__name__,)


class Gremlin(_RequestedFault, frozen=True, kw_only=True, rename="camel", tag="gremlin"):
    """Delays one in `every` requests, counted per replica, before work on it begins."""

    every: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5
    delay_ms: Milliseconds = 3000
    times: Times | None = None
    path: Path | None = None


class Crash(_RequestedFault, frozen=True, kw_only=True, rename="camel", tag="crash"):
    """After the commit and before the reply: drops the connection or kills the process.

    It strikes at the next `times` changes.
    """

    how: Literal["drop", "kill"] = "drop"
    times: Times = 1
    path: Path | None = None


class Errors(_RequestedFault, frozen=True, kw_only=True, rename="camel", tag="errors"):
    """Answers a fraction of the requests with 503 before any work begins."""

    fraction: Fraction = 0.5
    path: Path | None = None


class Cut(_RequestedFault, frozen=True, kw_only=True, rename="camel", tag="cut"):
    """Makes calls to a dependency fail as if the network were gone."""

    dependency: Name

    @property
    def slot(self) -> tuple[str, ...]:
        return ("Cut", self.dependency)


class Failpoint(_RequestedFault, frozen=True, kw_only=True, rename="camel", tag="failpoint"):
    """At a point between two durable steps: kills the process, waits, drops the reply, or fails."""

    point: Name
    action: Literal["kill", "hang", "drop", "error"] = "kill"
    delay_ms: Milliseconds = 3000
    """How long `hang` waits."""
    times: Times = 1

    @property
    def slot(self) -> tuple[str, ...]:
        return ("Failpoint", self.point)


class Behaviour(_RequestedFault, frozen=True, kw_only=True, rename="camel", tag="behaviour"):
    """A faulty behaviour that this service offers under a name."""

    name: Name
    fraction: Fraction = 1.0
    times: Times | None = None

    @property
    def slot(self) -> tuple[str, ...]:
        return ("Behaviour", self.name)


Fault = Gremlin | Crash | Errors | Cut | Failpoint | Behaviour


class Injected(msgspec.Struct, frozen=True, rename="camel"):
    """A fault, with the administrator and the time of its injection."""

    id: str
    fault: Fault
    by: str
    since: datetime
    until: datetime
    stopped_at: datetime | None = None
    stopped_by: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether the fault was stopped or has expired."""
        return self.stopped_at is not None or self.until <= now

    @property
    def times(self) -> int | None:
        """How often it may strike, over all replicas; None: without limit."""
        return getattr(self.fault, "times", None)


class Register(msgspec.Struct, frozen=True):
    """All faults injected into one service, oldest first. `version` counts its changes."""

    version: int = 0
    faults: tuple[Injected, ...] = ()
