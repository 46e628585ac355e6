"""WebSockets as a gateway sees them: a handshake, then bytes."""

import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1

from tests.gateway.front import Front
from tests.gateway.wire import Wire, connected, head

HANDSHAKE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def echoes(connection: socket.socket, request: bytes) -> bool:
    """A service that echoes the bytes after a handshake, and answers other requests."""
    if b"pgrade: websocket" not in request:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True
    connection.sendall(_accepted(request))
    while received := connection.recv(1024):
        connection.sendall(received)
    return False


def _accepted(request: bytes) -> bytes:
    key = next(
        line.split(b": ")[1]
        for line in request.lower().splitlines()
        if line.startswith(b"sec-websocket-key")
    )
    key = request[request.lower().index(key) :][: len(key)]
    accept = b64encode(sha1(key + GUID, usedforsecurity=False).digest())
    return b"\r\n".join(
        [
            b"HTTP/1.1 101 Switching Protocols",
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Accept: " + accept,
            b"",
            b"",
        ]
    )


@contextmanager
def websocket(front: Front, source: str = "127.0.0.1") -> Iterator[Wire]:
    with connected(front, source) as wire:
        wire.send(head("GET /ws?token=secret", *HANDSHAKE))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += wire.socket.recv(1)
        assert b" 101 " in answer.splitlines()[0]
        yield wire


def returns(wire: Wire, sent: bytes) -> bool:
    wire.send(sent)
    received = b""
    while len(received) < len(sent) and (more := wire.socket.recv(1024)):
        received += more
    return received == sent
