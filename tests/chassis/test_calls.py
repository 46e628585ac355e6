"""Retried, withheld and abandoned calls, against a server that answers from a list."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from tests.chassis.test_http_client import ANSWER, Body, read_request
from tests.support.workers import free_port
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.breaker import CLOSED, HALF_OPEN, OPEN
from valerix.chassis.calls.client import (
    Attempt,
    BreakerOpen,
    HttpClient,
    NotSent,
    OutcomeUnknown,
    Refused,
    Withheld,
)
from valerix.chassis.calls.policy import Policy

QUICK = Policy(timeout_seconds=5.0, backoff_seconds=0.001, open_seconds=0.05)
OK, HANG_UP, SILENCE = "200 OK", "", "…"


class Server:
    """Answers each request with the next status, and then always with the last one."""

    def __init__(self, *statuses: str, headers: str = "") -> None:
        self.requests = 0
        self._statuses = list(statuses)
        self._headers = headers
        self._answering: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self, policy: Policy = QUICK) -> AsyncIterator[HttpClient]:
        running = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        try:
            port = running.sockets[0].getsockname()[1]
            async with HttpClient.open("other", [f"http://127.0.0.1:{port}"], policy) as client:
                yield client
        finally:
            running.close()
            await asyncio.gather(*self._answering)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # the caller left early
            await read_request(reader)
            self.requests += 1
            status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
            if status == SILENCE:
                await reader.read(-1)
            elif status:
                body = b'{"a":1}' if status == OK else b"{}"
                head = (
                    f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{self._headers}"
                    "connection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()


async def call(client: HttpClient, deadline: Deadline | None = None) -> dict[str, int]:
    return await client.post("/x", Body(), ANSWER, deadline=deadline)


async def fail(client: HttpClient, times: int) -> None:
    for _ in range(times):
        with pytest.raises((NotSent, OutcomeUnknown)):
            await call(client)


@pytest.mark.parametrize("trouble", ["503 Busy", "429 Slowly", "500 Oops", "504 Late", HANG_UP])
async def test_what_is_not_definite_is_repeated(trouble: str) -> None:
    server = Server(trouble, trouble, OK)
    attempts: list[Attempt] = []
    async with server.open() as client:
        assert await client.post("/x", Body(), ANSWER, report=attempts.append) == {"a": 1}
        assert (server.requests, client.retries) == (3, 2)
    assert [attempt.failure is None for attempt in attempts] == [False, False, True]


async def test_a_definite_refusal_is_not_repeated() -> None:
    server = Server("409 Conflict")
    async with server.open() as client:
        with pytest.raises(Refused):
            await call(client)
    assert server.requests == 1


async def test_it_gives_up_after_its_retries() -> None:
    server = Server("500 Oops")
    async with server.open(replace(QUICK, min_calls=100)) as client:
        await fail(client, 1)
    assert server.requests == 1 + QUICK.retries


async def test_once_the_outcome_is_unknown_no_later_failure_makes_it_known() -> None:
    server = Server("500 Oops", "503 Busy")
    async with server.open() as client:
        with pytest.raises(OutcomeUnknown):
            await call(client)


async def test_it_is_not_repeated_before_the_other_side_wants_it() -> None:
    server = Server("503 Busy", headers="retry-after: 3600\r\n")
    async with server.open() as client:
        with pytest.raises(NotSent) as caught:
            await call(client)
    assert (server.requests, caught.value.retry_after_seconds) == (1, 3600)


async def test_when_many_fail_few_are_repeated() -> None:
    server = Server("500 Oops")
    async with server.open(replace(QUICK, min_calls=10_000)) as client:
        await fail(client, 100)
        assert client.retries < 60  # without a budget there would be 300
    assert server.requests == 100 + client.retries


async def test_the_breaker_withholds_calls_from_what_fails_and_closes_after_one_trial() -> None:
    server = Server(*["500 Oops"] * 5, OK)
    async with server.open(replace(QUICK, retries=0, open_seconds=2.0)) as client:
        await fail(client, 5)
        assert client.breaker.state == OPEN
        with pytest.raises(BreakerOpen) as caught:
            await call(client)
        assert server.requests == 5
        assert caught.value.retry_after_seconds > 0
        await asyncio.sleep(2.0)
        assert client.breaker.state == HALF_OPEN
        assert await call(client) == {"a": 1}
        assert client.breaker.state == CLOSED
        assert client.attempts == {"success": 1, "refused": 0, "failed": 5, "circuit_open": 1}


async def test_a_breaker_that_opens_meanwhile_ends_the_retries() -> None:
    server = Server("500 Oops")
    async with server.open(replace(QUICK, retries=10, open_seconds=60)) as client:
        with pytest.raises(OutcomeUnknown):
            await call(client)
    assert server.requests == 5


async def test_any_number_of_refusals_leaves_the_breaker_closed() -> None:
    server = Server("409 Conflict")
    async with server.open() as client:
        for _ in range(50):
            with pytest.raises(Refused):
                await call(client)
        assert (client.breaker.state, client.breaker.window()) == (CLOSED, (50, 0))


async def test_the_breaker_learns_nothing_from_a_caller_who_leaves_or_has_no_time() -> None:
    server = Server(*["500 Oops"] * 5, SILENCE)
    async with server.open(replace(QUICK, retries=0)) as client:
        await fail(client, 5)
        await asyncio.sleep(QUICK.open_seconds)
        trial = asyncio.create_task(call(client))
        while client.bulkhead.inside == 0:
            await asyncio.sleep(0.001)
        trial.cancel()
        await asyncio.gather(trial, return_exceptions=True)
        with pytest.raises(OutcomeUnknown):
            await call(client, Deadline.after(1.5))
        with pytest.raises(Withheld):
            await call(client, Deadline.after(0))
        assert (client.breaker.state, client.bulkhead.inside) == (HALF_OPEN, 0)


async def test_more_calls_than_allowed_wait_and_give_up_unsent() -> None:
    server = Server(SILENCE)
    async with server.open(replace(QUICK, retries=0, max_calls=1, timeout_seconds=60)) as client:
        first = asyncio.create_task(call(client, Deadline.after(60)))
        while server.requests == 0:
            await asyncio.sleep(0.001)
        others = await asyncio.gather(
            *(call(client, Deadline.after(0.2)) for _ in range(2)), return_exceptions=True
        )
        assert [type(failure) for failure in others] == [Withheld, Withheld]
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert server.requests == 1


async def test_health_is_asked_whatever_the_breaker_says() -> None:
    async with HttpClient.open(
        "other", [f"http://127.0.0.1:{free_port()}"], replace(QUICK, open_seconds=60)
    ) as client:
        await fail(client, 2)
        assert client.breaker.state == OPEN
        with pytest.raises(NotSent, match="cannot be connected to"):
            await client.probe("/ready", Deadline.after(30))
