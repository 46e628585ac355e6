"""Isolates an impossible row: the other rows of its batch are written, and it alone fails."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

log = structlog.get_logger()
In = TypeVar("In")
Out = TypeVar("Out")


async def by_halves(
    items: Sequence[In],
    work: Callable[[Sequence[In]], Awaitable[Out]],
    impossible: tuple[type[Exception], ...],
) -> list[tuple[Sequence[In], Out | Exception]]:
    """Runs `work` over all items; when it raises one of `impossible`, over each half, and so on.

    Returns the parts it was run over, in order, each with its result. A single impossible item
    comes with its exception. `work` may therefore run again over items of a run that failed.
    Without items, `work` does not run.
    """
    if not items:
        return []
    try:
        return [(items, await work(items))]
    except impossible as error:
        if len(items) == 1:
            log.exception("an item of a batch is impossible")
            return [(items, error)]
    middle = len(items) // 2
    return [
        *await by_halves(items[:middle], work, impossible),
        *await by_halves(items[middle:], work, impossible),
    ]
