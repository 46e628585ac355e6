"""The server under a service: uvicorn, tuned, with a drain before it stops."""

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
"""How long requests under way may take once the port is closed."""

GC_THRESHOLDS = (10_000, 20, 20)
"""Reference counts free nearly everything; Python's own (700, 10, 10) looks for cycles several times per batch."""
MAX_CORKED_BYTES = 32 * 1024
MAX_MESSAGE_BYTES = 4096
"""Of what a WebSocket client may send."""
HEARTBEAT_SECONDS = 20.0
ABANDON_SECONDS = 10.0
"""How long a closed WebSocket may take to send what is still on its way; a client that does not read never will."""


class Corked:
    """A transport that writes what one turn of the event loop has to say at once: head and body of an answer would be
    a system call and a packet each, for us and for whoever reads them.
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
        if self._size > MAX_CORKED_BYTES:  # so that the transport can say when it is too much
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def uncorked(self) -> asyncio.Transport:
        """The transport itself; nothing is held back any more."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        if self._pending and not self._transport.is_closing():
            self._transport.write(b"".join(self._pending))
        self._pending, self._size = [], 0


class HttpProtocol(HttpToolsProtocol):
    """Lets a service cut a connection instead of answering (chassis.chaos)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent does
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
        self.app_state = {**self.app_state, CONNECTION: transport}

    def handle_websocket_upgrade(self) -> None:
        self.transport = cast("Corked", self.transport).uncorked()  # every message is one write of its own
        super().handle_websocket_upgrade()


class SocketProtocol(WebSocketsSansIOProtocol):
    """Does not wait for ever for a client to take what it was sent, nor keep what it said to be let in."""

    def start_keepalive(self) -> None:
        """The handshake is over: three copies of its headers, with the token, would stay as long as the client."""
        super().start_keepalive()
        self.scope["headers"] = []
        self.request.headers.clear()
        self.response.headers.clear()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        self.loop.call_later(ABANDON_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """Leaves balancers time to notice before it closes the port."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # never passed
        await super().startup()
        # What start-up made stays: later collections need not look at it again.
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
        loop.call_soon_threadsafe(loop.call_later, self._service.settings.drain_seconds, self._leave)

    def _leave(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def give_way(niceness: int) -> None:
    """Be that much nicer than the processes beside this one.

    Where Linux groups processes by session (`sched_autogroup`), niceness counts within a session only, and what counts
    between sessions is the group's. The group is ours alone if we began the session.
    """
    os.nice(niceness)
    if not niceness or os.getsid(0) != os.getpid():
        return
    for _ in range(AUTOGROUP_TRIES):
        try:
            AUTOGROUP.write_text(str(niceness))
        except BlockingIOError:  # the kernel lets one process of the machine do so every 0.1 s
            time.sleep(0.05 + 0.1 * random.random())  # noqa: S311 - several start at once
        except OSError:  # another kernel
            return
        else:
            return


def config(app: ASGIApp, options: ServiceSettings) -> uvicorn.Config:
    """Returns how the server runs `app`: address, protocols, limits of connections and messages."""
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
        proxy_headers=False,  # nobody reads who the gateway forwards for
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        backlog=2048,
    )


def run(service: Service) -> bool:
    """Serve until a signal; whether the service ever started."""
    server = Server(config(service, service.settings), service)
    signal.signal(signal.SIGUSR1, server.handle_exit)
    server.run()
    return server.started
