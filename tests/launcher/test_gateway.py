"""The gateway: its routes against the topology, and a real one in front of small real services."""

import http.server
import json
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
from valerix.launcher.traefik import Gateway

from tests.support.eventually import until_blocking
from tests.support.workers import free_port
from valerix.launcher import certificates, logs, topology, traefik
from valerix.launcher.certificates import Certificate
from valerix.launcher.errors import LauncherError
from valerix.launcher.processes import dies_with_launcher
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import Instance

Answer = tuple[int, dict[str, str], bytes]


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with who it is and what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, EchoServer)
        if self.path.endswith("?held"):
            server.held.release()
            server.going_on.wait(60)
        status = 200 if server.ready or self.path != "/ready" else 503
        body = json.dumps({"name": server.name, "path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


class EchoServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.name = name
        self.ready = True
        self.held, self.going_on = threading.Semaphore(0), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A prober that hangs up is no news."""


class Front:
    """A running gateway and what stands behind it."""

    def __init__(self, gateway: Gateway, process: "subprocess.Popen[bytes]", backends: dict[str, EchoServer]) -> None:
        certificate = gateway.certificate
        self._scheme = "https" if certificate else "http"
        self._trust = ssl.create_default_context(cafile=certificate.ca_file) if certificate else None
        self.gateway = gateway
        self.process = process
        self.backends = backends

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        url = f"{self._scheme}://127.0.0.1:{self.gateway.port}{path}"
        request = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._trust) as response:  # noqa: S310 - our own
                return _read(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def reached(self, path: str, headers: dict[str, str] | None = None) -> dict[str, object]:
        status, _, body = self.get(path, headers)
        assert status == 200, body
        seen: dict[str, object] = json.loads(body)
        return seen


def _read(response: HTTPResponse) -> Answer:
    return response.status, dict(response.headers), response.read()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with started(tmp_path_factory.mktemp("gateway with space"), GatewaySettings(gateway_rate=100_000)) as front:
        yield front


@contextmanager
def started(folder: Path, told: GatewaySettings, certificate: Certificate | None = None) -> Iterator[Front]:
    names = {"orders": 2} | {process.name: 1 for process in topology.SERVICES if process.name != "orders"}
    backends = {
        f"{name}-{number}": EchoServer(f"{name}-{number}")
        for name, count in names.items()
        for number in range(1, count + 1)
    }
    running = [Instance(name, name.rsplit("-", 1)[0], one.server_port) for name, one in backends.items()]
    gateway = Gateway(folder, folder / "access.log", free_port(), free_port(), told, certificate)
    process = subprocess.Popen(
        gateway.command(running),
        preexec_fn=dies_with_launcher(signal.SIGTERM),  # noqa: PLW1509 - two system calls, no lock
    )
    front = Front(gateway, process, backends)
    try:
        until_blocking(lambda: answers(front), "the gateway answers")
        yield front
    finally:
        process.terminate()
        process.wait(60)
        for backend in backends.values():
            backend.shutdown()
            backend.server_close()


def answers(front: Front) -> bool:
    try:
        return front.get("/api/v1/orders")[0] == 200
    except OSError:
        return False


PUBLIC_PATHS = [
    (f"{prefix}/{resource}{rest}", process.name, f"/api/v1/{resource}{rest}")
    for process in topology.PUBLIC
    for resource in process.resources
    for prefix in ("/api/v1", "/api", "")
    for rest in ("", "/7", "/7/part?a=b&c=%20d")
]


@pytest.mark.parametrize(("path", "service", "canonical"), PUBLIC_PATHS)
def test_every_form_of_a_resource_reaches_its_service(front: Front, path: str, service: str, canonical: str) -> None:
    seen = front.reached(path)
    assert str(seen["name"]).rsplit("-", 1)[0] == service
    assert seen["path"] == canonical


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/.well-known/jwks.json", "users"),
        ("/", "console"),
        ("/docs", "console"),
        ("/openapi.json", "console"),
        ("/asyncapi.json", "console"),
        ("/openapi/orders.json", "console"),
    ],
)
def test_other_public_paths_arrive_unchanged(front: Front, path: str, service: str) -> None:
    seen = front.reached(path)
    assert (seen["name"], seen["path"]) == (f"{service}-1", path)


@pytest.mark.parametrize("service", [process.name for process in topology.SERVICES])
def test_every_service_can_be_broken_and_watched_by_its_name(front: Front, service: str) -> None:
    chaos, resilience = front.reached(f"/api/v1/chaos/{service}"), front.reached(f"/api/v1/resilience/{service}-1")
    assert (str(chaos["name"]).rsplit("-", 1)[0], chaos["path"]) == (service, "/api/v1/chaos")
    assert (resilience["name"], resilience["path"]) == (f"{service}-1", "/api/v1/resilience")


def test_each_copy_tells_of_its_own_resilience(front: Front) -> None:
    assert {front.reached("/api/v1/resilience/orders-2")["name"] for _ in range(5)} == {"orders-2"}


def test_chaos_of_all_services_is_one_path(front: Front) -> None:
    seen = front.reached("/api/v1/chaos")
    assert (seen["name"], seen["path"]) == ("console-1", "/api/v1/chaos/all")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/actuator/prometheus",
        "/ready",
        "/health/deep",
        "/internal/v1/reserve",
        "/api/v1/internal/v1/reserve",
        "/api/internal/v1/reserve",
        "/orders/../internal/v1/reserve",
        "/api/v1/orders/../../../metrics",
        "/orders%2f..%2finternal",
        "/ordersx",
        "/api/v1/ordersx",
        "/psp",
        "/api/v1/chaos/gateway",
        "/api/v1/chaos/orders/all",
        "/api/v1/resilience",
        "/chaos/orders",
        "/v1/charges",
        "/dashboard/",
        "/api/rawdata",
    ],
)
def test_nothing_else_is_reachable(front: Front, path: str) -> None:
    status, _, body = front.get(path)
    assert status in (400, 404), body


def test_the_gateway_itself_answers_health(front: Front) -> None:
    assert front.get("/health")[::2] == (200, b"OK")


def test_replicas_take_turns(front: Front) -> None:
    both = {"orders-1", "orders-2"}
    until_blocking(lambda: {front.reached("/orders")["name"] for _ in range(10)} == both, "both are asked")


def test_a_replica_that_is_not_ready_gets_nothing_until_it_is(front: Front) -> None:
    backend = front.backends["orders-2"]
    backend.ready = False
    until_blocking(lambda: {front.reached("/orders")["name"] for _ in range(6)} == {"orders-1"}, "it is left out")
    backend.ready = True
    until_blocking(lambda: len({front.reached("/orders")["name"] for _ in range(6)}) == 2, "it is back")


def test_nobody_speaks_for_a_service_from_outside(front: Front) -> None:
    sent = {
        "Valerix-Deadline-Ms": "60000",
        "Valerix-On-Behalf-Of": "admin",
        "Valerix_Deadline_Ms": "60000",
        "X-Forwarded-For": "10.9.8.7",
        "X-User-Id": "admin",
        "X_User_Id": "admin",
        "X-Role": "admin",
        "X-Forwarded-User": "admin",
        "Remote-User": "admin",
    }
    headers = front.reached("/orders", sent)["headers"]
    assert isinstance(headers, dict)
    assert not [name for name in headers if name.lower().startswith("valerix")]
    assert "admin" not in str(headers)
    assert "10.9.8.7" not in str(headers)


def test_answers_carry_security_headers_and_no_server_name(front: Front) -> None:
    _, headers, _ = front.get("/orders")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"] == traefik.STRICT
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers


def test_large_answers_are_compressed_when_the_client_can(front: Front) -> None:
    padding = {f"X-Padding-{number}": "x" * 200 for number in range(10)}
    assert front.get("/orders", {**padding, "Accept-Encoding": "gzip"})[1]["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in front.get("/orders", padding)[1]


def test_the_access_log_tells_the_path_and_no_secret(front: Front) -> None:
    marker = "7f3c-logged"
    front.reached(f"/orders/{marker}?token=in-the-query", {"Authorization": "Bearer in-the-header"})
    for _ in range(150):  # written in batches
        front.reached("/orders")
    until_blocking(lambda: marker in front.gateway.access_log.read_text(), "the request is in the access log")
    text = front.gateway.access_log.read_text()
    entry = next(json.loads(line) for line in text.splitlines() if marker in line)
    assert entry["RequestPath"] == f"/orders/{marker}"
    assert (entry["DownstreamStatus"], entry["RouterName"]) == (200, "orders-short@file")
    assert "in-the-query" not in text
    assert "in-the-header" not in text


def test_the_access_log_can_be_set_aside(front: Front) -> None:
    log = front.gateway.access_log
    assert logs.rotate(log, limit_bytes=1)
    front.process.send_signal(signal.SIGUSR1)
    until_blocking(log.exists, "a new access log is opened")


def test_metrics_and_dashboard_are_on_loopback_only(front: Front) -> None:
    gateway = front.gateway
    assert gateway.static(gateway.folder)["entryPoints"]["metrics"]["address"] == f"127.0.0.1:{gateway.metrics_port}"
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.metrics_port}/metrics", timeout=10) as response:
        assert b"traefik_service_server_up" in response.read()


async def test_backends_that_are_not_reached_are_named(front: Front) -> None:
    backend = front.backends["users-1"]
    backend.ready = False
    address = f"http://127.0.0.1:{backend.server_port}"
    while address not in await traefik.unreachable_backends(front.gateway.metrics_port):
        assert front.get("/health")[0] == 200
    backend.ready = True
    while await traefik.unreachable_backends(front.gateway.metrics_port):
        assert front.get("/health")[0] == 200


# --- TLS


def test_with_tls_the_port_speaks_https_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("gateway tls")
    with started(folder, GatewaySettings(gateway_rate=100_000), certificates.generated(folder / "tls")) as front:
        status, headers, body = front.get("/api/v1/orders")
        assert (status, headers["Strict-Transport-Security"]) == (200, "max-age=3600")
        assert json.loads(body)["headers"]["X-Forwarded-Proto"] == "https"
        assert front.get("/health")[0] == 200
        with pytest.raises(urllib.error.HTTPError, match="404") as plain:
            urllib.request.urlopen(f"http://127.0.0.1:{front.gateway.port}/api/v1/orders", timeout=10)
        plain.value.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            _handshake(front.gateway.port, ssl.create_default_context())
        old = ssl.create_default_context(cafile=folder / "tls" / "ca.pem")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            _handshake(front.gateway.port, old)


def _handshake(port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), 10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1"),
    ):
        pass


def test_without_tls_nothing_is_said_about_it(front: Front) -> None:
    assert "Strict-Transport-Security" not in front.get("/orders")[1]


def test_a_made_certificate_is_kept_and_its_key_is_its_owners(tmp_path: Path) -> None:
    first = certificates.generated(tmp_path)
    content = first.chain_file.read_bytes()
    assert certificates.generated(tmp_path).chain_file.read_bytes() == content
    assert first.key_file.stat().st_mode & 0o777 == 0o600
    first.key_file.unlink()
    assert certificates.generated(tmp_path).chain_file.read_bytes() != content
    assert {file.name for file in tmp_path.iterdir()} == {"gateway.pem", "gateway.key", "ca.pem"}


def test_a_configured_certificate_must_be_whole(tmp_path: Path) -> None:
    one, other = certificates.generated(tmp_path / "one"), certificates.generated(tmp_path / "other")
    found = certificates.configured(one.chain_file, one.key_file)
    assert (found.chain_file, found.ca_file) == (one.chain_file, None)
    for chain, key, why in (
        (one.chain_file, other.key_file, "does not belong"),
        (one.chain_file, tmp_path / "missing", "cannot be used"),
        (one.key_file, one.key_file, "cannot be used"),
    ):
        with pytest.raises(LauncherError, match=why):
            certificates.configured(chain, key)
