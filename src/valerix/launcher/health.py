"""Health probes: one request on one connection.

Without a good answer in time the process is unhealthy.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

TIMEOUT_SECONDS = 3.0
Probe = Callable[[int], Awaitable[bool]]
"""Takes a process number; returns whether the process can serve requests."""


async def ask(probe: Probe, pid: int) -> bool:
    """Run the probe; a connection error or no answer within TIMEOUT_SECONDS counts as unhealthy."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await probe(pid)
    except (OSError, TimeoutError):
        return False


def http(port: int, path: str) -> Probe:
    """Return a probe that expects status 200 at `path`."""

    async def probe(_: int) -> bool:
        status, _body = await http_get(port, path)
        return status == 200

    return probe


def valkey(port: int, user: str, password: str) -> Probe:
    """Return a probe that signs in and expects a PONG."""

    async def probe(_: int) -> bool:
        async with _connection(port) as (reader, writer):
            writer.write(f"AUTH {user} {password}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"

    return probe


async def http_get(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body. Raises OSError unless a server answers in HTTP."""
    async with _connection(port) as (reader, writer):
        # HTTP/1.0, so that the answer is not chunked and ends with the connection.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head[9:12]
    if not (head.startswith(b"HTTP/1.") and status.isdigit()):
        raise ConnectionError("no HTTP answer")
    return int(status), body


@asynccontextmanager
async def _connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
