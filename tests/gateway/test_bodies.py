"""Bodies arrive complete, or not at all."""

from collections.abc import Iterator

import pytest

from tests.gateway.front import QUICK, Front, started
from tests.gateway.wire import asked, chunked, connected, head, posted
from valerix.launcher.gateways.contract import BODY_BYTES
from valerix.launcher.settings import GatewayName

SENT = {"declared": posted, "chunked": chunked}
LARGEST = bytes(33 + n % 90 for n in range(BODY_BYTES))


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with started(
        gateway, tmp_path_factory.mktemp("bodies"), None, QUICK, gateway_rate=100_000
    ) as front:
        yield front


@pytest.mark.parametrize("how", SENT)
def test_the_largest_body_arrives_whole(front: Front, how: str) -> None:
    reply = asked(front, SENT[how](LARGEST))
    assert reply
    assert reply.status == 200
    assert reply.document()["body"].encode() == LARGEST


@pytest.mark.parametrize("how", SENT)
@pytest.mark.parametrize("more", [1, 300_000])
def test_a_larger_body_is_refused_and_does_not_arrive(front: Front, how: str, more: int) -> None:
    before = front.arrived()
    reply = asked(front, SENT[how](LARGEST + b"x" * more))
    assert reply is None or reply.status == 413
    assert front.arrived() == before


def test_a_body_in_many_pieces_arrives_whole(front: Front) -> None:
    with connected(front) as wire:
        wire.send(head("POST /orders", "Transfer-Encoding: chunked"))
        for byte in LARGEST[:500]:
            wire.send(b"1;ext=a\r\n%c\r\n" % byte)
        wire.send(b"0\r\n\r\n")
        reply = wire.answer()
    assert reply
    assert reply.document()["body"].encode() == LARGEST[:500]


@pytest.mark.parametrize("begun", [b"", b"{", b"x" * 9_999])
def test_a_body_that_does_not_come_never_arrives(front: Front, begun: bytes) -> None:
    before = front.arrived()
    reply = asked(front, head("POST /orders", "Content-Length: 10000"), begun)
    assert reply is None or reply.status // 100 in (4, 5)
    assert front.arrived() == before


def test_a_body_given_up_by_its_client_never_arrives(front: Front) -> None:
    before = front.arrived()
    with connected(front) as wire:
        wire.send(head("POST /orders", "Content-Length: 10"), b"half")
    assert front.get("/orders/after-it")[0] == 200
    assert front.arrived_since(before) == ["/api/v1/orders/after-it"]


def test_a_get_may_have_a_body(front: Front) -> None:
    reply = asked(front, head("GET /orders", "Content-Length: 2"), b"{}")
    assert reply
    assert reply.status in (200, 400)


@pytest.mark.parametrize("chunk", [b"xyz\r\n", b"-1\r\n{}", b"F" * 20 + b"\r\n", b"2\r\n{}x"])
def test_a_malformed_chunk_is_refused_or_ends_the_connection(front: Front, chunk: bytes) -> None:
    before = front.arrived()
    reply = asked(front, head("POST /orders", "Transfer-Encoding: chunked"), chunk)
    assert reply is None or reply.status == 400
    assert front.arrived() == before


@pytest.mark.parametrize(
    "rest", [b"", b"{\r\n0\r\n\r\n", b"{\r\n0\r\n\r\nGET /api/v1/orders/within HTTP/1.1\r\n"]
)
def test_a_line_of_a_chunk_that_ends_without_cr_is_refused_or_read_one_way(
    front: Front, rest: bytes
) -> None:
    """HAProxy 2.6, the version of Debian 12, accepts a bare line feed as the end of a line, as RFC
    9112 (2.2) permits.
    """
    before = front.arrived()
    reply = asked(front, head("POST /orders", "Transfer-Encoding: chunked"), b"1;a=\n" + rest)
    if reply and reply.status == 200:
        assert reply.document()["body"] == "{"
        assert front.arrived_since(before) == ["/api/v1/orders"]
    else:
        assert reply is None or reply.status in (400, 408)
        assert front.arrived() == before
