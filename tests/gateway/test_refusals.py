"""Requests that gateway and service could interpret differently never reach a service."""

from collections.abc import Iterator

import pytest

from tests.gateway.front import Front
from tests.gateway.wire import asked, chunked, connected, head, posted, status_of

ENCODED = {"slash": "%2f", "backslash": "%5c", "semicolon": "%3b", "percent": "%25", "NUL": "%00"}
OTHERS = {"question mark": "%3f", "hash": "%23"}


@pytest.fixture
def nothing_arrives(front: Front) -> Iterator[None]:
    before = front.arrived()
    yield
    assert front.arrived() == before


@pytest.mark.usefixtures("nothing_arrives")
@pytest.mark.parametrize("code", [*ENCODED.values(), *OTHERS.values()], ids=[*ENCODED, *OTHERS])
def test_an_encoded_character_is_refused(front: Front, code: str) -> None:
    for path in (
        f"/orders{code}7",
        f"/orders/7{code}",
        f"/api/v1/orders/a{code.upper()}b",
        f"/docs{code}",
    ):
        assert status_of(front, head(f"GET {path}")) == 400


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/orders/../internal",
            "/orders/./7",
            "/orders/..",
            "/orders/.",
            "//orders",
            "/orders//7",
        ),
        *("/orders/%2e%2e/users", "/orders/.%2E/users", "/orders/%2e/7", "/orders/..\\users"),
    ],
)
def test_a_dot_segment_never_arrives(front: Front, path: str) -> None:
    before = front.arrived()
    status = status_of(front, head(f"GET {path}"))
    new = front.arrived_since(before)
    assert status in ((200,) if new else (400, 404))
    assert not [one for one in new if ".." in one or "/." in one or "//" in one or "%2" in one]


@pytest.mark.usefixtures("nothing_arrives")
@pytest.mark.parametrize(
    "request_bytes",
    [
        head("POST /orders", "Content-Length: 3", "Content-Length: 4") + b"abcd",
        head("POST /orders", "Content-Length: 3, 4") + b"abcd",
        head("POST /orders", "Content-Length: +3") + b"abc",
        head("POST /orders", "Content-Length: 0x3") + b"abc",
        head("POST /orders", "Content-Length: 99999999999999999999") + b"abc",
        head("POST /orders", "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
        head("POST /orders", "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
        head("POST /orders", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")
        + b"0\r\n\r\n",
        head("POST /orders", "Transfer-Encoding: chunked") + b"zz\r\n\r\n",
        head("GET /orders", "X-User-Id : admin"),
        head("GET /orders", "X-Nul: a\x00b"),
        head("GET /orders", "no colon"),
        b"GET /orders HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /orders HTTP/1.1\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET /orders HTTP/1.1\r\nHost: user@localhost\r\n\r\n",
        b"GET /orders\r\n\r\n",
        b"GET /orders HTTP/3.7\r\nHost: a\r\n\r\n",
        b"GET orders HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G(T /orders HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=[
        *(
            "two lengths",
            "two lengths in one",
            "signed length",
            "hexadecimal length",
            "huge length",
        ),
        *("identity coding", "unknown coding", "chunked twice", "bad chunk"),
        *("space before colon", "NUL in header", "no colon"),
        *("two hosts", "no host", "host with space", "host with slash", "host with user"),
        *("HTTP/0.9", "HTTP/3.7", "no slash", "odd method", "CONNECT", "h2c at once"),
    ],
)
def test_an_ambiguous_request_is_refused(front: Front, request_bytes: bytes) -> None:
    assert status_of(front, request_bytes) // 100 in (0, 4, 5)


@pytest.mark.parametrize(
    ("request_bytes", "host"),
    [
        (head("GET /orders", "X-Long: a", " folded"), "localhost"),
        (b"GET /orders HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "a"),
        (b"GET  /orders HTTP/1.1\r\nHost: a\r\n\r\n", "a"),
        (b"GET http://other/orders HTTP/1.1\r\nHost: a\r\n\r\n", "other"),
    ],
    ids=["folded", "host twice", "two spaces", "another authority"],
)
def test_what_can_be_made_unambiguous_is_refused_or_arrives_so(
    front: Front, request_bytes: bytes, host: str
) -> None:
    reply = asked(front, request_bytes)
    if reply and reply.status != 400:
        seen = reply.document()
        assert (seen["path"], seen["headers"]["Host"], seen["twice"]) == (
            "/api/v1/orders",
            host,
            [],
        )
        assert seen["headers"].get("X-Long", "a folded").split() == ["a", "folded"]


def test_length_and_chunks_together_are_one_request_at_most(front: Front) -> None:
    """RFC 9112, 6.3: refused, or read by its chunks and the connection closed."""
    both = head("POST /orders", "Content-Length: 5", "Transfer-Encoding: chunked")
    with connected(front) as wire:
        wire.send(both, b"0\r\n\r\n", head("GET /orders/smuggled"))
        first = wire.answer()
        assert first is None or first.status in (200, 400)
        assert wire.answer() is None


def test_what_follows_a_refused_body_is_no_request(front: Front) -> None:
    smuggled = head("GET /orders/in-a-body")
    too_long = head("POST /orders", f"Content-Length: {len(smuggled) * 2000}")
    with connected(front) as wire:
        wire.send(too_long, smuggled * 2000)
        reply = wire.answer()
        assert reply is None or reply.status == 413
        wire.send(head("GET /orders/next", "Connection: close"))
        following = wire.answer()
        assert following is None or following.document()["path"] == "/api/v1/orders/next"
    assert "/api/v1/orders/in-a-body" not in front.arrived()


@pytest.mark.parametrize(
    "headers",
    [
        (
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ),
        ("Connection: Upgrade", "Upgrade: TLS/1.2, HTTP/1.1"),
    ],
    ids=["h2c", "TLS"],
)
def test_no_other_protocol_is_switched_to(front: Front, headers: tuple[str, ...]) -> None:
    """The request is refused, or answered as if it did not request the upgrade."""
    reply = asked(front, head("GET /orders", *headers))
    assert reply
    assert reply.status in (200, 400)
    if reply.status == 200:
        assert {"Upgrade", "Http2-Settings"}.isdisjoint(reply.document()["headers"])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "other.example", "[::1]:80", "10.0.0.1", "a_b-c"]
)
def test_the_name_of_the_host_changes_nothing(front: Front, host: str) -> None:
    for line in ("GET /orders", f"GET http://{host}/orders"):
        reply = asked(front, head(line, host=host))
        assert reply
        assert (reply.status, reply.document()["path"]) == (200, "/api/v1/orders")


def test_trailers_are_no_headers(front: Front) -> None:
    reply = asked(front, chunked(b"{}", "Trailer: X-User-Id", trailer=b"X-User-Id: admin\r\n"))
    assert reply is None or reply.status == 400 or "admin" not in str(reply.document())


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_of_an_api_arrives(front: Front, method: str) -> None:
    reply = asked(front, head(f"{method} /orders", "Content-Length: 0"), method=method)
    assert reply
    assert reply.status == 200
    assert method == "HEAD" or reply.document()["method"] == method


def test_a_client_may_wait_to_be_told_to_go_on(front: Front) -> None:
    with connected(front) as wire:
        wire.send(head("POST /orders", "Content-Length: 2", "Expect: 100-continue"))
        assert wire.socket.recv(12) == b"HTTP/1.1 100"
        while wire.socket.recv(1) != b"\n" or wire.socket.recv(2) != b"\r\n":
            pass
        wire.send(b"{}")
        reply = wire.answer()
        assert reply
        assert reply.document()["body"] == "{}"


def test_one_connection_carries_many_requests(front: Front) -> None:
    with connected(front) as wire:
        for number in range(5):
            wire.send(posted(b"x" * number, path=f"/orders/{number}"))
            reply = wire.answer()
            assert reply
            assert (reply.document()["path"], len(reply.document()["body"])) == (
                f"/api/v1/orders/{number}",
                number,
            )
