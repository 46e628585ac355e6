"""Requests as bytes, for requests that no client library would send."""

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

from tests.gateway.front import Front

ATTACKER = "127.0.0.2"
"""A source address that differs from the other clients' in a test."""
SECONDS = 30
"""Time-out that only bounds a failing test."""


class Reply(NamedTuple):
    status: int
    headers: Message
    body: bytes

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Wire:
    """One connection to a gateway."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, *parts: bytes) -> None:
        """Sends bytes; ignores errors, because a gateway may answer and close before it has read
        all of them.
        """
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.socket.sendall(b"".join(parts))

    def answer(self, method: str = "GET") -> Reply | None:
        """Reads an answer; None if the connection ends without one."""
        response = HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            return Reply(response.status, response.headers, response.read())
        except (HTTPException, ConnectionError, ssl.SSLError):
            return None

    def is_closed(self) -> bool:
        """Waits until the other side closes the connection; False if it does not in time."""
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


@contextmanager
def connected(
    front: Front, source: str = "127.0.0.1", alpn: tuple[str, ...] = ()
) -> Iterator[Wire]:
    """Opens a connection, with TLS if the gateway has a certificate."""
    plain = socket.create_connection(("127.0.0.1", front.port), SECONDS, (source, 0))
    with contextlib.closing(_secured(front, plain, alpn)) as connection:
        yield Wire(connection)


def _secured(front: Front, plain: socket.socket, alpn: tuple[str, ...]) -> socket.socket:
    if front.listening.certificate is None:
        return plain
    context = ssl.create_default_context(cafile=front.listening.certificate.ca_file)
    context.set_alpn_protocols(list(alpn or ("http/1.1",)))
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def head(line: str, *headers: str, host: str = "localhost") -> bytes:
    """Builds the head of a request, with the blank line after it."""
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


def asked(
    front: Front, *parts: bytes, source: str = "127.0.0.1", method: str = "GET"
) -> Reply | None:
    """Sends bytes on a new connection; returns the reply."""
    with connected(front, source) as wire:
        wire.send(*parts)
        return wire.answer(method)


def status_of(front: Front, *parts: bytes, source: str = "127.0.0.1") -> int:
    """Returns the status of the reply; 0 if the connection ends without one."""
    reply = asked(front, *parts, source=source)
    return reply.status if reply else 0


def posted(body: bytes, *headers: str, path: str = "/api/v1/orders") -> bytes:
    return head(f"POST {path}", f"Content-Length: {len(body)}", *headers) + body


def chunked(
    body: bytes, *headers: str, trailer: bytes = b"", path: str = "/api/v1/orders"
) -> bytes:
    first = head(f"POST {path}", "Transfer-Encoding: chunked", *headers)
    return b"".join([first, b"%x\r\n" % len(body), body, b"\r\n0\r\n", trailer, b"\r\n"])
