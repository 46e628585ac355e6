"""Keep-alive connections to a real server that misbehaves in every way a real one can."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from tests.support.workers import free_port
from valerix.chassis.calls import connections
from valerix.chassis.calls.connections import Connections, Lost, NeverSent

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
Answer = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


class Server:
    """Calls `answer` for every request. `requests` and `opened` count requests and connections."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.opened = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.writers.append(writer)
        # A handler runs in a task.
        self.tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [
                    line for line in head.split(b"\r\n") if line.startswith(b"content-length")
                ]
                body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
                self.requests.append(head + body)
                await self._answer(writer, head)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[Server, Connections]]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    opened = Connections(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    try:
        yield server, opened
    finally:
        opened.close()
        listener.close()
        for writer in server.writers:
            writer.close()
        await asyncio.gather(*server.tasks, return_exceptions=True)


def saying(*answers: bytes) -> Answer:
    """Sends one answer after the other, then nothing."""
    left = list(answers)

    async def answer(writer: asyncio.StreamWriter, _: bytes) -> None:
        if left:
            writer.write(left.pop(0))

    return answer


async def get(opened: Connections, path: str = "/", seconds: float = 30) -> connections.Reply:
    return await opened.send("GET", path, {}, None, seconds)


async def test_a_connection_is_used_again() -> None:
    async with serving(saying(OK, OK)) as (server, opened):
        assert [(await get(opened)).body for _ in range(2)] == [b"hi", b"hi"]
        assert (server.opened, len(server.requests)) == (1, 2)


def test_it_runs_on_the_loop_of_the_services() -> None:
    async def twice() -> int:
        async with serving(saying(OK, OK)) as (server, opened):
            await get(opened)
            await get(opened)
            return server.opened

    assert uvloop.run(twice()) == 1


async def test_requests_at_once_have_connections_of_their_own() -> None:
    async with serving(saying(*[OK] * 8)) as (server, opened):
        await asyncio.gather(*(get(opened) for _ in range(8)))
        assert server.opened == 8


async def test_an_answer_may_come_in_pieces() -> None:
    async def piecemeal(writer: asyncio.StreamWriter, _: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nretry-after: 3\r\ntransfer-encoding: chunked\r\n\r\n"
        for byte in head + b"2\r\nhi\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(piecemeal) as (_, opened):
        reply = await get(opened)
        assert (reply.status, reply.headers[b"retry-after"], reply.body) == (200, b"3", b"hi")
        assert (await get(opened)).body == b"hi"


async def test_an_interim_answer_is_passed_over() -> None:
    async with serving(saying(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK)) as (_, opened):
        assert (await get(opened)).status == 200


async def test_the_body_goes_out_with_its_length() -> None:
    async with serving(saying(OK)) as (server, opened):
        await opened.send("POST", "/x", {"a": "b"}, b"{}", 30)
    assert server.requests[0].startswith(b"POST /x HTTP/1.1\r\nhost: 127.0.0.1:")
    assert server.requests[0].endswith(b"\r\na: b\r\ncontent-length: 2\r\n\r\n{}")


async def test_a_closed_connection_is_not_used_again() -> None:
    async with serving(
        saying(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", OK)
    ) as (
        server,
        opened,
    ):
        await get(opened)
        assert (await get(opened)).body == b"hi"
        assert server.opened == 2


async def test_a_connection_the_server_closed_while_idle_is_not_used_again() -> None:
    async with serving(saying(OK, OK)) as (server, opened):
        await get(opened)
        server.writers[0].close()
        await server.tasks[0]
        while server.opened < 2:  # until the client has noticed the close
            with suppress(Lost):
                await get(opened)
        assert len(server.requests) == 2


async def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0)
    async with serving(saying(OK, OK)) as (server, opened):
        await get(opened)
        await get(opened)
        assert server.opened == 2


async def test_nobody_there_means_never_sent() -> None:
    with pytest.raises(NeverSent):
        await get(Connections(f"http://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"])
async def test_a_connection_cut_before_the_answer_is_whole_is_lost(said: bytes) -> None:
    async def cut(writer: asyncio.StreamWriter, _: bytes) -> None:
        writer.write(said)
        writer.close()

    async with serving(cut) as (_, opened):
        with pytest.raises(Lost):
            await get(opened)


@pytest.mark.parametrize(
    "said", [b"220 mail.example ESMTP\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
)
async def test_what_is_no_http_is_lost(said: bytes) -> None:
    async with serving(saying(said, OK)) as (_, opened):
        with pytest.raises(Lost):
            await get(opened)
        assert (await get(opened)).body == b"hi"


async def test_an_answer_without_end_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_ANSWER_BYTES", 1000)

    async def pour(writer: asyncio.StreamWriter, _: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 1000)
            await writer.drain()

    async with serving(pour) as (_, opened):
        with pytest.raises(Lost, match="longer"):
            await get(opened)


async def test_a_late_answer_reaches_nobody_else() -> None:
    late: list[asyncio.StreamWriter] = []

    async def first_late(writer: asyncio.StreamWriter, head: bytes) -> None:
        if b"/late" in head:
            late.append(writer)
        else:
            writer.write(OK)

    async with serving(first_late) as (_, opened):
        with pytest.raises(TimeoutError):
            await get(opened, "/late", seconds=1)
        late[0].write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")
        assert [(await get(opened)).body for _ in range(3)] == [b"hi"] * 3


async def test_whoever_is_cancelled_leaves_no_answer_behind() -> None:
    async with serving(saying()) as (server, opened):
        waiting = asyncio.create_task(get(opened))
        while not server.requests:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.tasks[0]  # ends because the client closed the connection


async def test_an_answer_nobody_asked_for_ends_the_connection() -> None:
    async with serving(saying(OK + OK, OK)) as (server, opened):
        assert (await get(opened)).body == b"hi"
        await asyncio.sleep(0.05)
        assert (await get(opened)).body == b"hi"
        assert server.opened == 2


@pytest.mark.parametrize("path", ["no-slash", "/a b", "/a\r\nx: y", "/a\nx: y"])
async def test_what_would_be_another_request_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        await get(Connections("http://127.0.0.1:1"), path)


@pytest.mark.parametrize("url", ["ftp://x", "no-scheme", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the address"):
        Connections(url)
