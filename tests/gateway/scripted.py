"""A service that sends bytes, for answers that no HTTP server would send."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable
from io import BufferedIOBase

from valerix.launcher.topology import Instance

Behaviour = Callable[[socket.socket, bytes], bool]
"""Takes a request's head (or body, if it has one); returns whether the connection stays open."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"


def closes(connection: socket.socket, request: bytes) -> bool:
    """Closes the connection without an answer."""
    return False


def answers(connection: socket.socket, request: bytes) -> bool:
    connection.sendall(OK)
    return True


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        service = self.server
        assert isinstance(service, ScriptedService)
        with contextlib.suppress(OSError):
            while request := _request(self.rfile):
                if request.startswith(b"GET /ready"):
                    self.connection.sendall(OK)
                    continue
                service.requests.append(request)
                if not service.behave(self.connection, request):
                    return


def _request(stream: BufferedIOBase) -> bytes:
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line)
    lengths = [
        int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")
    ]
    return b"".join(lines) + stream.read(sum(lengths))


class ScriptedService(socketserver.ThreadingTCPServer):
    """A service that passes every health check."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, name: str, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.behave = behave
        self.requests: list[bytes] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def instance(self) -> Instance:
        return Instance(self.name, self.name.rsplit("-", 1)[0], self.server_address[1])

    @property
    def arrived(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.requests]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
