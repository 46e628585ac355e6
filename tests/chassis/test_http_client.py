"""Calls to a real server that misbehaves in every way a real one can."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import msgspec
import pytest

from tests.support.workers import free_port
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import HttpClient, NotSent, OutcomeUnknown, Refused
from valerix.chassis.calls.policy import Policy

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = msgspec.json.Decoder(dict[str, int])


class Body(msgspec.Struct):
    n: int = 1


@asynccontextmanager
async def server(handle: Handler) -> AsyncIterator[str]:
    """Handles each connection with one reaction to one request; yields the URL to call."""
    reacting: set[asyncio.Task[None]] = set()

    async def react(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reacting.add(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    running = await asyncio.start_server(react, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        await asyncio.gather(*reacting, return_exceptions=True)


def answering(status: str, body: bytes = b"{}") -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return handle


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(h.split(b":")[1])
        for h in head.lower().split(b"\r\n")
        if h.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return head


async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def post(*urls: str, deadline: Deadline | None = None) -> dict[str, int]:
    async with HttpClient.open("other", urls, Policy(retries=0)) as client:
        return await client.post("/x", Body(), ANSWER, deadline=deadline)


async def test_a_good_answer_is_decoded() -> None:
    async with server(answering("200 OK", b'{"a":1}')) as url:
        assert await post(url) == {"a": 1}


async def test_nobody_there_means_not_sent() -> None:
    with pytest.raises(NotSent):
        await post(f"http://127.0.0.1:{free_port()}")


async def test_a_replica_that_is_not_there_is_passed_over() -> None:
    async with server(answering("200 OK", b'{"a":1}')) as url:
        for _ in range(2):
            assert await post(f"http://127.0.0.1:{free_port()}", url) == {"a": 1}


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "504 Gateway Timeout"])
async def test_a_server_error_leaves_the_outcome_unknown(status: str) -> None:
    async with server(answering(status)) as url:
        with pytest.raises(OutcomeUnknown):
            await post(url)


async def test_shedding_means_nothing_was_begun() -> None:
    async with server(answering("503 Busy")) as url:
        with pytest.raises(NotSent):
            await post(url)


async def test_a_server_that_does_not_know_the_outcome_leaves_it_unknown() -> None:
    async with server(answering("503 Unknown", b'{"code":"outcome_unknown"}')) as url:
        with pytest.raises(OutcomeUnknown):
            await post(url)


async def test_a_lost_connection_leaves_the_outcome_unknown() -> None:
    async with server(hang_up) as url:
        with pytest.raises(OutcomeUnknown):
            await post(url)


async def test_silence_ends_with_the_deadline_and_is_unknown() -> None:
    async with server(say_nothing) as url:
        with pytest.raises(OutcomeUnknown):
            await post(url, deadline=Deadline.after(1.5))


async def test_no_time_left_sends_nothing() -> None:
    async with server(say_nothing) as url:
        with pytest.raises(NotSent):
            await post(url, deadline=Deadline.after(0))


async def test_a_refusal_carries_the_other_sides_problem() -> None:
    async with server(answering("409 Conflict", b'{"code":"busy","detail":"later"}')) as url:
        with pytest.raises(Refused) as caught:
            await post(url)
    assert (caught.value.status, caught.value.problem["code"], caught.value.reason) == (
        409,
        "busy",
        "later",
    )


async def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    async with server(answering("200 OK", b"<html>")) as url:
        with pytest.raises(OutcomeUnknown):
            await post(url)


async def test_the_remaining_time_travels_along() -> None:
    heads: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()

    async with server(note) as url:
        await post(url, deadline=Deadline.after(30))
    (line,) = [h for h in heads[0].lower().split(b"\r\n") if h.startswith(b"valerix-deadline-ms")]
    assert 0 < int(line.split(b":")[1]) <= 30_000
