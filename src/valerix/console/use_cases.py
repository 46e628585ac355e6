"""The API reference: the services' own descriptions, read from them."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import structlog

from valerix import __version__
from valerix.chassis.http_client import CallFailed, HttpClient
from valerix.chassis.problems import Unavailable
from valerix.chassis.resilience import Deadline
from valerix.console.domain import Document, merge

log = structlog.get_logger()
PATIENCE_SECONDS = 2.0
_decoder = msgspec.json.Decoder(dict[str, object])


class ServiceSilent(Unavailable):
    code, title = "service_silent", "The service does not answer"

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} does not answer; its description can be read once it does")


class Reference:
    """Asks all services at once, at most every `ttl_seconds`, whoever reads."""

    def __init__(self, services: Sequence[HttpClient], ttl_seconds: float) -> None:
        self._services = services
        self._ttl_seconds = ttl_seconds
        self._asking = asyncio.Lock()
        self._fresh_until = 0.0
        self._documents: dict[str, Document] = {}
        self._merged = b""

    async def merged(self) -> bytes:
        """The public API of all services that answer; those that do not are named in it."""
        await self._refresh()
        return self._merged

    async def of(self, service: str) -> bytes:
        """The description of one service as it gives it. Raises ServiceSilent."""
        await self._refresh()
        if service not in self._documents:
            raise ServiceSilent(service)
        return msgspec.json.encode(self._documents[service])

    async def _refresh(self) -> None:
        async with self._asking:
            if time.monotonic() < self._fresh_until:
                return
            answers = await asyncio.gather(*map(_find_document, self._services))
            names = [service.dependency for service in self._services]
            self._documents = {name: answer for name, answer in zip(names, answers, strict=True) if answer}
            missing = [name for name in names if name not in self._documents]
            self._merged = msgspec.json.encode(merge(self._documents, missing, __version__))
            self._fresh_until = time.monotonic() + self._ttl_seconds


async def _find_document(service: HttpClient) -> Document | None:
    try:
        return await service.get("/openapi.json", _decoder, deadline=Deadline.after(PATIENCE_SECONDS))
    except CallFailed as error:
        log.warning("service left out of the reference", dependency=service.dependency, error=error.reason)
        return None
