"""A real HTTP server that answers, or misbehaves, as a test scripts it."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

AT = "2026-01-02T03:04:05Z"
ORDER: dict[str, Any] = {
    "id": "01890000-0000-7000-8000-000000000001",
    "customerId": "CUST-001",
    "status": "confirmed",
    "items": [
        {
            "productId": "PROD-001",
            "productName": "Dell XPS 15",
            "quantity": 2,
            "unitPrice": {"amountMinor": 129_900, "currency": "USD"},
            "lineTotal": {"amountMinor": 259_800, "currency": "USD"},
        }
    ],
    "total": {"amountMinor": 259_800, "currency": "USD"},
    "paymentMethod": "card_ok",
    "paymentId": "01890000-0000-7000-8000-000000000002",
    "inventoryUpdated": True,
    "reservation": [{"productId": "PROD-001", "warehouseId": "WH-EAST", "quantity": 2}],
    "onShortage": "hold",
    "shippingAddress": None,
    "errorCode": None,
    "errorMessage": None,
    "version": 2,
    "createdAt": AT,
    "updatedAt": AT,
}
USER = {
    "id": "u",
    "email": "a@b.c",
    "name": "A",
    "role": "customer",
    "status": "active",
    "version": 1,
}
SIGNED_IN = {
    "accessToken": "token-1",
    "tokenType": "Bearer",
    "expiresIn": 600,
    "refreshExpiresAt": AT,
    "user": {**USER, "customerId": "CUST-001", "createdAt": AT, "updatedAt": AT},
}


class Reply(NamedTuple):
    status: int
    body: Any = None
    """Bytes as they are, anything else as JSON."""
    headers: Mapping[str, str] = MappingProxyType({})


class Misbehave(NamedTuple):
    """The fault instead of an answer: `drop` the connection, `cut` the answer, keep `silent`."""

    how: str


DROP, CUT, SILENCE = Misbehave("drop"), Misbehave("cut"), Misbehave("silent")
Act = Reply | Misbehave


def problem(
    status: int, code: str, detail: str = "Because", *, retry_after: int | None = None, **more: Any
) -> Reply:
    document = {
        "title": "No",
        "status": status,
        "code": code,
        "detail": detail,
        "traceId": "0af7",
        **more,
    }
    return Reply(status, document, {} if retry_after is None else {"Retry-After": str(retry_after)})


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: Any


class Server(ThreadingHTTPServer):
    """Follows `script`, one entry per request; the last entry also answers all further requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Act] = []
        self.received: list[Received] = []
        self.closing = threading.Event()
        self._turn = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def acts(self, *script: Act) -> None:
        self.script = list(script)

    def next_act(self, received: Received) -> Act:
        with self._turn:
            self.received.append(received)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.command, self.path, headers, json.loads(body) if body else None)
        act = self.server.next_act(received)
        if isinstance(act, Misbehave):
            self._misbehave(act)
        else:
            self._reply(act)

    def _reply(self, reply: Reply) -> None:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _misbehave(self, act: Misbehave) -> None:
        self.close_connection = True
        if act is CUT:
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n{")
        elif act is SILENCE:
            self.server.closing.wait(30)
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Tests look at `received`."""


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
