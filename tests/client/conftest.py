"""The scripted server, and both clients behind one interface."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.client.server import Server, serving
from valerix.client import AsyncValerix, Valerix


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


class Caller:
    """Runs a call on one of the two clients: `await caller.run(lambda v: v.orders.get("…"),
    retry_seconds=1)`.
    """

    def __init__(self, kind: type[Valerix] | type[AsyncValerix], url: str) -> None:
        self.kind, self.url = kind, url

    async def run(self, call: Callable[[Any], Any], **options: Any) -> Any:
        if self.kind is Valerix:
            return await asyncio.to_thread(self._run_blocking, call, options)
        async with AsyncValerix(self.url, **options) as valerix:
            return await _collected(call(valerix))

    def _run_blocking(self, call: Callable[[Any], Any], options: dict[str, Any]) -> Any:
        with Valerix(self.url, **options) as valerix:
            result = call(valerix)
            return list(result) if isinstance(result, Iterator) else result


async def _collected(result: Any) -> Any:
    if isinstance(result, AsyncIterator):
        return [item async for item in result]
    return await result


@pytest.fixture(params=[Valerix, AsyncValerix], ids=["blocking", "asynchronous"])
def caller(request: pytest.FixtureRequest, server: Server) -> Caller:
    return Caller(request.param, server.url)
