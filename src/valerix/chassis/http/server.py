"""The server of a service: uvicorn with tuned settings, and a drain before it stops."""

import asyncio
import gc
import os
import random
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.http.edge import CONNECTION
from valerix.chassis.http.service import Service

AUTOGROUP, AUTOGROUP_TRIES = Path("/proc/self/autogroup"), 20
KEEP_ALIVE_SECONDS = 75
FINISH_SECONDS = 15
"""How long requests in progress may take after the port has closed."""

GC_THRESHOLDS = (10_000, 20, 20)
"""Thresholds of the garbage collector. Reference counts free nearly everything.

Python's own (700, 10, 10) search for cycles several times per batch.
"""
MAX_CORKED_BYTES = 32 * 1024
MAX_MESSAGE_BYTES = 4096
"""Maximum size of a message from a WebSocket client."""
HEARTBEAT_SECONDS = 20.0
ABANDON_SECONDS = 10.0
"""How long a closed WebSocket may take to send remaining data.

A client that does not read never takes it.
"""


class Corked:
    """A transport that writes the output of one turn of the event loop at once.

    Otherwise head and body of an answer are a system call and a packet each, on both sides.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)
        self._size += len(data)
        if self._size > MAX_CORKED_BYTES:  # the transport then signals a full buffer
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def uncorked(self) -> asyncio.Transport:
        """The transport itself. It holds nothing back from now on."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        if self._pending and not self._transport.is_closing():
            self._transport.write(b"".join(self._pending))
        self._pending, self._size = [], 0


class HttpProtocol(HttpToolsProtocol):
    """Lets a service cut a connection instead of answering (chassis.chaos)."""

    # Takes the same type as its parent's method.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
        self.app_state = {**self.app_state, CONNECTION: transport}

    def handle_websocket_upgrade(self) -> None:
        # Every message is one write already.
        self.transport = cast("Corked", self.transport).uncorked()
        super().handle_websocket_upgrade()


class SocketProtocol(WebSocketsSansIOProtocol):
    """Limits the memory and the closing time of a WebSocket.

    It does not wait forever for a client to receive its data, and drops the headers after the
    handshake.
    """

    def start_keepalive(self) -> None:
        """Called after the handshake. Removes three copies of the headers, which contain the token.

        They would stay in memory as long as the client is connected.
        """
        super().start_keepalive()
        self.scope["headers"] = []
        self.request.headers.clear()
        self.response.headers.clear()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        self.loop.call_later(ABANDON_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """Gives balancers time to notice the drain before it closes the port."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    # `sockets` are never passed.
    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        # Objects from the start-up stay: later collections need not examine them again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM or self._service.draining:
            self._leave()
            return
        self._service.begin_drain()
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(
            loop.call_later, self._service.settings.drain_seconds, self._leave
        )

    def _leave(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def give_way(niceness: int) -> None:
    """Increases the niceness of this process by `niceness`.

    Where Linux groups processes by session (`sched_autogroup`), niceness counts within a session
    only, and the group's niceness counts between sessions. The group belongs to this process alone
    if it started the session.
    """
    os.nice(niceness)
    if not niceness or os.getsid(0) != os.getpid():
        return
    for _ in range(AUTOGROUP_TRIES):
        try:
            AUTOGROUP.write_text(str(niceness))
        except BlockingIOError:  # the kernel allows this to one process per 0.1 s
            time.sleep(0.05 + 0.1 * random.random())  # noqa: S311 - several start at once
        except OSError:  # another kernel
            return
        else:
            return


def config(app: ASGIApp, options: ServiceSettings) -> uvicorn.Config:
    """The server's configuration for `app`: address, protocols, limits of connections and sizes."""
    return uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=HEARTBEAT_SECONDS,
        ws_ping_timeout=HEARTBEAT_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # chassis.limits.origin reads the client's address itself
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        backlog=2048,
    )


def run(service: Service) -> bool:
    """Serves until a signal; returns whether the service ever started."""
    server = Server(config(service, service.settings), service)
    signal.signal(signal.SIGUSR1, server.handle_exit)
    server.run()
    return server.started
