"""The answers to clients: security headers, compression, and no information about the server."""

import gzip

import pytest

from tests.gateway.front import Front
from tests.gateway.wire import asked, head, posted
from valerix.launcher.gateways import contract

PADDING = tuple(f"X-Padding-{number}: {'x' * 200}" for number in range(10))


def test_answers_carry_security_headers_and_no_server_name(front: Front) -> None:
    _, headers, _ = front.get("/orders")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]
    assert (
        headers["Cross-Origin-Resource-Policy"]
        == headers["Cross-Origin-Opener-Policy"]
        == "same-origin"
    )
    assert headers["Content-Security-Policy"] == contract.STRICT
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
    assert "X-Powered-By" not in headers


@pytest.mark.parametrize(
    "path", ["/health", "/docs", "/unknown", "/api/v1/chaos", "/api/v1/resilience/orders-1"]
)
def test_every_answer_has_the_security_headers_once(front: Front, path: str) -> None:
    _, headers, _ = front.get(path)
    for name, value in contract.security_headers(None).items():
        assert headers.get_all(name) == [value]
    assert "Server" not in headers


def test_pages_decide_themselves_what_they_show_and_keep(front: Front) -> None:
    _, headers, _ = front.get("/docs")
    assert "Content-Security-Policy" not in headers
    assert "Cache-Control" not in headers


def test_without_tls_nothing_is_said_about_it(front: Front) -> None:
    assert "Strict-Transport-Security" not in front.get("/orders")[1]


def test_large_answers_are_compressed_when_the_client_can(front: Front) -> None:
    padding = dict(line.split(": ") for line in PADDING)
    _, headers, body = front.get("/orders", {**padding, "Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in headers["Vary"]
    assert b"orders" in gzip.decompress(body)
    assert "Content-Encoding" not in front.get("/orders", padding)[1]


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "zstd", "br"])
def test_only_gzip_that_is_asked_for_is_sent(front: Front, accepted: str) -> None:
    reply = asked(front, head("GET /orders", f"Accept-Encoding: {accepted}", *PADDING))
    assert reply
    assert (reply.status, reply.headers.get("Content-Encoding")) == (200, None)


def test_streams_of_events_are_not_compressed(front: Front) -> None:
    wanted = ("Accept-Encoding: gzip", "X-Wanted-Type: text/event-stream")
    reply = asked(front, head("GET /docs", *wanted, *PADDING))
    assert reply
    assert (reply.headers["Content-Type"], reply.headers.get("Content-Encoding")) == (
        "text/event-stream",
        None,
    )


def test_the_small_answer_to_an_order_is_not_compressed(front: Front) -> None:
    reply = asked(front, posted(b"{}", "Accept-Encoding: gzip"))
    assert reply
    assert (reply.status, reply.headers.get("Content-Encoding")) == (200, None)


def test_the_answer_to_head_has_no_body(front: Front) -> None:
    for path in ("/orders", "/unknown", "/health", "/docs"):
        reply = asked(front, head(f"HEAD {path}", "Connection: close"), method="HEAD")
        assert reply
        assert reply.body == b""
