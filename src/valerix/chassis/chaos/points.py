"""The points at which faults can strike in a service.

Without an injected fault, a point costs one attribute look-up. A service names its points and
behaviours as module constants; every imported one can be injected.
"""

from collections.abc import Awaitable, Callable
from typing import Final

Strike = Callable[[], Awaitable[None]]
Hold = Callable[[float], Awaitable[None]]
"""Waits this many seconds, or until the fault is stopped."""
Struck = Callable[[], Awaitable[Hold | None]]
"""Returns None when the fault does not strike this time."""


class ReplyDropped(Exception):
    """The connection is closed instead of an answer."""


class Point:
    """A point between two durable steps, e.g. `Point("orders.accepted")`."""

    __slots__ = ("name", "strike")

    def __init__(self, name: str) -> None:
        self.name = name
        self.strike: Strike | None = None
        POINTS[name] = self

    async def passed(self) -> None:
        """Called at this point. With a fault injected, it may block, raise, or never return."""
        if self.strike is not None:
            await self.strike()


class Switch:
    """A faulty behaviour that a service shows on request, e.g. `Switch("decline")`.

    An administrator injects the fault of the same name.
    """

    __slots__ = ("name", "struck")

    def __init__(self, name: str) -> None:
        self.name = name
        self.struck: Struck | None = None
        SWITCHES[name] = self

    async def is_on(self) -> bool:
        """Whether the service shows the behaviour this time."""
        return await self.hold(0)

    async def hold(self, seconds: float) -> bool:
        """Like `is_on`; when it is on, returns after `seconds`, or when it is switched off."""
        hold = None if self.struck is None else await self.struck()
        if hold is not None:
            await hold(seconds)
        return hold is not None


POINTS: Final[dict[str, Point]] = {}
SWITCHES: Final[dict[str, Switch]] = {}
CUTS: Final[dict[str, Struck]] = {}
"""The dependencies that are cut off, by name."""


async def is_cut_off(dependency: str) -> bool:
    """Whether calls to `dependency` must fail without being sent."""
    struck = CUTS.get(dependency)
    return struck is not None and await struck() is not None
