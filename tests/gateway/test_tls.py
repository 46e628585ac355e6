"""HTTPS at the gateway: versions of TLS and HTTP, and the limit of handshakes."""

import json
import socket
import ssl
import warnings
from collections.abc import Iterator

import pytest

from tests.gateway.front import Front, started
from tests.gateway.wire import SECONDS, Wire, connected, head
from valerix.launcher import certificates
from valerix.launcher.settings import GatewayName


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("gateway tls")
    with started(
        gateway, folder, certificates.generated(folder / "tls"), gateway_rate=100_000
    ) as front:
        yield front


def test_with_tls_the_port_speaks_https_alone(front: Front) -> None:
    status, headers, body = front.get("/api/v1/orders")
    assert (status, headers["Strict-Transport-Security"]) == (200, "max-age=3600")
    assert json.loads(body)["headers"]["X-Forwarded-Proto"] == "https"
    assert front.get("/health")[0] == 200
    arrived = front.arrived()
    with socket.create_connection(("127.0.0.1", front.port), SECONDS) as plain:
        wire = Wire(plain)
        wire.send(head("GET /api/v1/orders"))
        answer = wire.answer()
    assert answer is None or answer.status in (400, 404)
    assert front.arrived() == arrived
    with pytest.raises(ssl.SSLCertVerificationError):
        _version(front.port, ssl.create_default_context())


def test_own_answers_say_to_come_back_with_https(front: Front) -> None:
    for path in ("/unknown", "/health", "/docs"):
        assert front.get(path)[1]["Strict-Transport-Security"] == "max-age=3600"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_current_versions_are_spoken(front: Front, version: ssl.TLSVersion) -> None:
    assert _version(front.port, _only(front, version)) == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_nothing_older_is_spoken(front: Front, version: ssl.TLSVersion) -> None:
    context = _only(front, version)
    context.set_ciphers("ALL:@SECLEVEL=0")  # otherwise the client itself refuses
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        _version(front.port, context)


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_both_versions_of_http_are_offered(front: Front, protocol: str) -> None:
    with connected(front, alpn=(protocol,)) as wire:
        assert isinstance(wire.socket, ssl.SSLSocket)
        assert wire.socket.selected_alpn_protocol() == protocol


def test_a_bound_on_handshakes_is_no_bound_on_requests(front: Front) -> None:
    with connected(front) as wire:
        for _ in range(3):
            wire.send(head("GET /orders"))
            reply = wire.answer()
            assert reply
            assert reply.status == 200


def _only(front: Front, version: ssl.TLSVersion) -> ssl.SSLContext:
    assert front.listening.certificate
    context = ssl.create_default_context(cafile=front.listening.certificate.ca_file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def _version(port: int, context: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        return secured.version()
