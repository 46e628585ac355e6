"""Waits for changes in other processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.02


async def eventually(probe: Callable[[], Awaitable[T]], seconds: float = 60.0) -> T:
    """Calls `probe` repeatedly and returns its first truthy result. `seconds` only bounds a failing
    test.
    """
    async with asyncio.timeout(seconds):
        while True:
            if answer := await probe():
                return answer
            await asyncio.sleep(LOOK_SECONDS)


async def eventually_equal(
    probe: Callable[[], Awaitable[T]], expected: T, seconds: float = 60.0
) -> None:
    """Waits until the result of `probe` equals `expected`; a test that fails shows both."""

    async def equal() -> bool:
        return await probe() == expected

    try:
        await eventually(equal, seconds)
    except TimeoutError:
        assert await probe() == expected, f"did not become equal within {seconds:.0f} s"


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Waits until `condition`, a blocking function, is truthy."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(LOOK_SECONDS)


def until_blocking(condition: Callable[[], object], what: str, seconds: float = 90.0) -> None:
    """Waits as `until` does, without an event loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds:.0f} s: {what}"
        time.sleep(LOOK_SECONDS)
