"""HTTP/1.1 over keep-alive connections, at a fraction of the cost of a general client.

The number of calls grows with the number of orders, so the cost counts. Not implemented: redirects,
proxies, compression, streaming, answers that only end with the connection. See chassis.calls.client
for the needs of calls.

TransferFailed
├── NeverSent   no connection: nothing reached the server
└── Lost        cut off, or an answer that is not HTTP, after something may have been sent
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

CONNECT_SECONDS = 1.0
IDLE_SECONDS = 30.0
"""Shorter than servers keep idle connections open, so that none closes while it is reused."""
MAX_ANSWER_BYTES = 32 * 1024 * 1024


class TransferFailed(Exception):
    """Base of all failures of a transfer. Running out of time is a TimeoutError."""


class NeverSent(TransferFailed):
    """The request certainly had no effect."""


class Lost(TransferFailed):
    """The request may have had its effect."""


class Reply(NamedTuple):
    status: int
    headers: Mapping[bytes, bytes]
    """Values by lower-case name."""
    body: bytes


class Connections:
    """Connections to one server, as many as there are concurrent requests."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not the address of a server: {url}")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._name = parts.netloc.rpartition("@")[2]
        self._idle: deque[_Connection] = deque()

    def close(self) -> None:
        """Closes the idle connections; the others end with their request."""
        while self._idle:
            self._idle.pop().abort()

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Reply:
        """Sends one request and returns its answer. A cancellation closes the connection.

        Raises NeverSent, Lost, TimeoutError.
        """
        message = _message(method, path, self._name, headers, body)
        try:
            async with asyncio.timeout(seconds):
                connection = self._take() or await self._connect()
                reply = await connection.exchange(message)
        except httptools.HttpParserError as error:
            raise Lost(f"not HTTP: {error}") from error
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.abort()
        return reply

    def _take(self) -> "_Connection | None":
        """The idle connection that was used last, so that the rarely used ones expire."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.abort()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        server_hostname = self._host if self._tls else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    _Connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=server_hostname,
                )
        except (OSError, TimeoutError) as error:
            raise NeverSent(str(error) or "no connection in time") from error
        if not connection.reusable:
            raise NeverSent("the other side closed the connection at once")
        return connection


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._idle_since = 0.0
        self.reusable = True
        """Whether another request may follow the answered one."""

    def is_fresh(self) -> bool:
        return self.reusable and self._loop.time() - self._idle_since < IDLE_SECONDS

    def abort(self) -> None:
        self.reusable = False
        self._transport.abort()

    async def exchange(self, message: bytes) -> Reply:
        """Writes the request and waits for the answer."""
        self._answer = self._loop.create_future()
        self._transport.write(message)
        try:
            return await self._answer
        except BaseException:  # its answer may still arrive, and must not count as the next answer
            self.abort()
            raise
        finally:
            self._answer = None
            self._idle_since = self._loop.time()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # data without a request: the connection is no longer trusted
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail(Lost(str(exc) if exc else "the other side closed the connection"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # --- httptools

    def on_message_begin(self) -> None:
        self._headers, self._chunks, self._size = {}, [], 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_ANSWER_BYTES:
            self._fail(Lost(f"the answer is longer than {MAX_ANSWER_BYTES} bytes"))
            self.abort()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        if self._answer is None or self._answer.done():  # a second answer: it belongs to no request
            self.reusable = False
            return
        self.reusable = self.reusable and self._parser.should_keep_alive()
        self._answer.set_result(Reply(status, self._headers, b"".join(self._chunks)))


def _message(
    method: str, path: str, host: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """The bytes of a request.

    Raises ValueError for parts that would turn it into another request than it looks like.
    """
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: {host}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    head = "\r\n".join(lines)
    breaks = len(lines) - 1
    if (
        not path.startswith("/")
        or " " in path
        or (head.count("\r"), head.count("\n")) != (breaks, breaks)
    ):
        raise ValueError(f"not a path, or a header with a line break: {method} {path!r}")
    return head.encode("latin-1") + b"\r\n\r\n" + (body or b"")
