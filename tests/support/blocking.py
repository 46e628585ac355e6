"""Running a coroutine where there may or may not be a running event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any


def run_blocking(work: Coroutine[Any, Any, object]) -> None:
    """Run to the end on a thread of its own: fixtures are called with and without a running event loop."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
