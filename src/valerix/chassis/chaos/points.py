"""Where faults can strike inside a service. Each costs one look at an attribute while nothing is injected.

A service names its points and behaviours as module constants; what is imported is what can be injected.
"""

from collections.abc import Awaitable, Callable
from typing import Final

Strike = Callable[[], Awaitable[None]]
Hold = Callable[[float], Awaitable[None]]
"""Wait so many seconds, or until the fault is stopped."""
Struck = Callable[[], Awaitable[Hold | None]]
"""None: not this time."""


class ReplyDropped(Exception):
    """The connection is to be cut instead of answering."""


class Point:
    """A place between two durable steps, e.g. `Point("orders.accepted")`."""

    __slots__ = ("name", "strike")

    def __init__(self, name: str) -> None:
        self.name = name
        self.strike: Strike | None = None
        POINTS[name] = self

    async def passed(self) -> None:
        """Call it there. Armed, it may not return, return late, or raise."""
        if self.strike is not None:
            await self.strike()


class Switch:
    """A behaviour that a service can be told to show, e.g. `Switch("decline")`."""

    __slots__ = ("name", "struck")

    def __init__(self, name: str) -> None:
        self.name = name
        self.struck: Struck | None = None
        SWITCHES[name] = self

    async def is_on(self) -> bool:
        """Whether to show it this time."""
        return await self.hold(0)

    async def hold(self, seconds: float) -> bool:
        """The same; when it is on, `seconds` later, or when it is switched off."""
        hold = None if self.struck is None else await self.struck()
        if hold is not None:
            await hold(seconds)
        return hold is not None


POINTS: Final[dict[str, Point]] = {}
SWITCHES: Final[dict[str, Switch]] = {}
CUTS: Final[dict[str, Struck]] = {}
"""By dependency: those that are cut off."""


async def is_cut_off(dependency: str) -> bool:
    """Whether calls to `dependency` have to fail unsent."""
    struck = CUTS.get(dependency)
    return struck is not None and await struck() is not None
