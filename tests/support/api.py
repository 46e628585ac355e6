"""A small client of one service or the gateway."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple, Self

from pyreqwest.client import Client, ClientBuilder


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    set_cookies: Sequence[str] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Send = Callable[[str, str, Sequence[tuple[str, str]], bytes | None], Awaitable[Answer]]
"""Sends one request: method, URL, headers, body."""


def over_http(client: Client) -> Send:
    """Returns the function that sends requests over the network."""

    async def send(
        method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> Answer:
        request = client.request(method, url)
        for name, value in headers:
            request = request.header(name, value)
        if body is not None:
            request = request.body_bytes(body)
        response = await request.build().send()
        return answer_of(
            response.status, list(response.headers.items()), (await response.bytes()).to_bytes()
        )

    return send


def answer_of(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
    set_cookies = [value for name, value in headers if name == "set-cookie"]
    return Answer(status, dict(headers), body, set_cookies)


class Api:
    """Calls one service as one caller, unless a call passes another `token`."""

    def __init__(self, send: Send, url: str, token: str | None) -> None:
        self._send, self._url, self._token = send, url, token

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, token: str | None = None) -> AsyncIterator[Self]:
        async with (
            ClientBuilder()
            .no_proxy()
            .follow_redirects(False)
            .timeout(timedelta(seconds=60))
            .build() as client
        ):
            yield cls(over_http(client), url, token)

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """Sends `body`: bytes unchanged, anything else as JSON. `_` in a header name stands for
        `-`.
        """
        token = token or self._token
        sent = [("authorization", f"Bearer {token}")] if token else []
        if body is not None:
            sent.append(("content-type", "application/json"))
        sent += [(name.replace("_", "-"), value) for name, value in headers.items()]
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return await self._send(method, self._url + path, sent, content)

    async def get(self, path: str, *, token: str | None = None) -> Answer:
        return await self.call("GET", path, token=token)

    async def post(
        self, path: str, body: object, *, token: str | None = None, **headers: str
    ) -> Answer:
        return await self.call("POST", path, body, token=token, **headers)


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Asserts that the answer is a problem document, and returns it."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json
    assert (answer.status, document["status"], document["code"]) == (status, status, code)
    assert len(document["traceId"]) == 32
    return document
