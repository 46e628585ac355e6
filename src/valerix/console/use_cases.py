"""The references of API and events: the services' own descriptions, read from the services."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from valerix import __version__
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.calls.client import CallFailed, HttpClient
from valerix.console.domain import Document

log = structlog.get_logger()
TIMEOUT_SECONDS = 2.0
Merge = Callable[[Mapping[str, Document], Sequence[str], str], Document]
"""Arguments: documents by service, services that did not answer, version."""
_decoder = msgspec.json.Decoder(dict[str, object])


class ServiceSilent(Unavailable):
    code, title = "service_silent", "Service unavailable"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} does not answer; its description is available once it does")


class Reference:
    """Fetches `path` from all services concurrently, at most every `ttl_seconds`."""

    def __init__(
        self, services: Sequence[HttpClient], path: str, merge: Merge, ttl_seconds: float
    ) -> None:
        self._services = services
        self._path = path
        self._merge = merge
        self._ttl_seconds = ttl_seconds
        self._refreshing = asyncio.Lock()
        self._fresh_until = 0.0
        self._documents: dict[str, Document] = {}
        self._merged = b""

    async def merged(self) -> bytes:
        """The merged document of all services that answer; it names the services that do not."""
        await self._refresh()
        return self._merged

    async def problems(self) -> list[Document]:
        """Every problem type of the services that answer."""
        return list(msgspec.json.decode(await self.merged())["x-problems"])

    async def of(self, service: str) -> bytes:
        """The description of one service, unchanged. Raises ServiceSilent."""
        await self._refresh()
        if service not in self._documents:
            raise ServiceSilent(service)
        return msgspec.json.encode(self._documents[service])

    async def _refresh(self) -> None:
        async with self._refreshing:
            if time.monotonic() < self._fresh_until:
                return
            answers = await asyncio.gather(
                *(_find_document(service, self._path) for service in self._services)
            )
            names = [service.dependency for service in self._services]
            self._documents = {
                name: answer for name, answer in zip(names, answers, strict=True) if answer
            }
            missing = [name for name in names if name not in self._documents]
            self._merged = msgspec.json.encode(self._merge(self._documents, missing, __version__))
            self._fresh_until = time.monotonic() + self._ttl_seconds


async def _find_document(service: HttpClient, path: str) -> Document | None:
    try:
        return await service.get(path, _decoder, deadline=Deadline.after(TIMEOUT_SECONDS))
    except CallFailed as error:
        log.warning(
            "service left out of the reference", dependency=service.dependency, error=error.reason
        )
        return None
