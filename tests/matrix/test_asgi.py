"""The scopes that the matrix builds are those that a served process gets for the same bytes on the
wire.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.matrix import asgi
from tests.matrix.in_process import listening
from valerix.chassis.base.settings import ServiceSettings
from valerix.launcher.ports import free_port

TARGET = "/a%2Fb/%C3%A4?x=%20y&x=z"
HEADERS = [("Authorization", "Bearer "), ("X-Empty", ""), ("Cookie", "a=1; b=2"), ("cookie", "c=3")]
UPGRADE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Protocol", "one, valerix.bearer.two"),
]
BODY = b'{"a": 1}'
OF_THE_CONNECTION = ("client", "state", "asgi")
"""Keys of a scope that differ: the client's port, the connection itself, the versions of the
protocol.
"""


class Recorder:
    """An ASGI app that stores the scope and the first message of its last request, and refuses the
    request.
    """

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.message: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
            return
        self.scope = {name: value for name, value in scope.items() if name not in OF_THE_CONNECTION}
        self.scope["headers"] = list(scope["headers"])
        self.message = await receive()
        prefix = "http.response" if kind == "http" else "websocket.http.response"
        await send(
            {"type": f"{prefix}.start", "status": 418, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": f"{prefix}.body", "body": b"", "more_body": False})

    async def _live(self, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})


async def test_an_http_scope_is_the_one_of_the_server(tmp_path: Path) -> None:
    app, options = Recorder(), ServiceSettings(port=free_port(), keys_file=tmp_path)
    url = f"http://127.0.0.1:{options.port}{TARGET}"
    async with listening(app, options):
        status = await _sent(
            options.port, "POST", [*HEADERS, ("Content-Length", str(len(BODY)))], BODY
        )
    served = app.scope, app.message
    answer = await asgi.request(app, "POST", url, HEADERS, BODY)
    assert (app.scope, app.message) == served
    assert status == answer.status == 418


async def test_a_websocket_scope_is_the_one_of_the_server(tmp_path: Path) -> None:
    app, options = Recorder(), ServiceSettings(port=free_port(), keys_file=tmp_path)
    url = f"http://127.0.0.1:{options.port}{TARGET}"
    async with listening(app, options):
        status = await _sent(options.port, "GET", [*HEADERS, *UPGRADE])
    served = app.scope, app.message
    assert await asgi.handshake(app, url, [*HEADERS, *UPGRADE]) == status == 418
    assert (app.scope, app.message) == served


async def _sent(
    port: int, method: str, headers: Sequence[tuple[str, str]], body: bytes = b""
) -> int:
    """Sends the bytes unchanged; returns the status."""
    lines = [
        f"{method} {TARGET} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("length", ["0", "2"])
async def test_an_answer_of_a_wrong_length_is_noticed(length: str) -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", length.encode())],
            }
        )
        await send({"type": "http.response.body", "body": b"1", "more_body": False})

    with pytest.raises(AssertionError):
        await asgi.request(app, "GET", "http://127.0.0.1/", [], None)
