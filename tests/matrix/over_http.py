"""A stack as a platform of the matrix: every request goes over the network, through the gateway if
it routes the path.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.api import Api
from tests.support.stack import Stack


class OverHttp:
    """The running stack."""

    has_gateway = True

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    @property
    def secrets(self) -> Path:
        return self._stack.data_dir / "secrets"

    @property
    def url(self) -> str:
        return self._stack.url

    def service_url(self, service: str) -> str:
        return self._stack.service_url(service)

    def open(self, url: str, token: str | None = None) -> AbstractAsyncContextManager[Api]:
        return Api.open(url, token)

    async def handshake(self, url: str, headers: Mapping[str, str]) -> int:
        try:
            async with connect(url.replace("http", "ws"), additional_headers=headers, proxy=None):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    async def rows(self, database: str, query: str, *arguments: object) -> list[dict[str, Any]]:
        return await self._stack.rows(database, query, *arguments)
