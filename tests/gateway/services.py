"""Small real services behind a gateway."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from valerix.launcher import topology
from valerix.launcher.topology import Instance

COPIES: Final = {
    process.name: 2 if process.name == "orders" else 1 for process in topology.SERVICES
}


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with its name and the request. With `?held`, it waits until the test permits the
    answer.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, EchoService)
        received = self._body()
        if self.path.endswith("?held"):
            with server.one_more_held():
                server.going_on.wait(60)
        if self.path == "/ready":
            server.checks += 1
        else:
            server.arrived.append(self.path)
        answer = {
            "name": server.name,
            "method": self.command,
            "path": self.path,
            "headers": {name.title(): value for name, value in self.headers.items()},
            "twice": [
                name.title() for name in {*self.headers} if len(self.headers.get_all(name, [])) > 1
            ],
            "body": received.decode("latin-1"),
        }
        self._answer(
            200 if server.ready or self.path != "/ready" else 503, json.dumps(answer).encode()
        )

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while length := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(length))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("X-Wanted-Type", "application/json"))
        self.send_header("X-Powered-By", "Echo")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # The names that http.server looks for.
    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None: ...


class EchoService(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Echo)
        self.name = name
        self.ready = True
        self.checks = 0
        self.arrived: list[str] = []
        self.holding = 0
        self.going_on = threading.Event()
        self._counting = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def instance(self) -> Instance:
        return Instance(self.name, self.name.rsplit("-", 1)[0], self.server_port)

    @contextmanager
    def one_more_held(self) -> Iterator[None]:
        with self._counting:
            self.holding += 1
        try:
            yield
        finally:
            with self._counting:
                self.holding -= 1

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores errors: a health check that closes its connection is normal."""

    def stop(self) -> None:
        self.going_on.set()
        self.shutdown()
        self.server_close()


def all_services() -> list[EchoService]:
    return [
        EchoService(f"{name}-{number}")
        for name, count in COPIES.items()
        for number in range(1, count + 1)
    ]
