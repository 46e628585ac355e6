"""Headers about the client come from the gateway, never from the client itself."""

import re
from pathlib import Path

import pytest

from tests.gateway.front import Front, started
from tests.gateway.wire import asked, head
from valerix.launcher.gateways import contract
from valerix.launcher.settings import GatewayName

TRACE = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00")


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


@pytest.mark.parametrize(
    "path", ["/orders", "/docs", "/ws", "/api/v1/chaos/orders", "/api/v1/resilience/orders-1"]
)
def test_every_header_of_identity_is_dropped_on_every_route(front: Front, path: str) -> None:
    sent = [f"{name}: admin" for name in contract.IDENTITY_HEADERS]
    aliases = [
        f"{name.replace('-', '_')}: admin" for name in contract.IDENTITY_HEADERS if "-" in name
    ]
    twice = [*sent, *aliases, *map(str.lower, sent), *map(str.upper, aliases)]
    reply = asked(front, head(f"GET {path}", *twice))
    assert reply
    assert reply.status == 200
    assert "admin" not in reply.body.decode().lower()


@pytest.mark.parametrize(
    "name", ["X_Forwarded_For", "Content_Length", "Transfer_Encoding", "X.User.Id", "X-User_Id"]
)
def test_a_header_that_could_be_read_as_another_is_dropped_or_refused(
    front: Front, name: str
) -> None:
    reply = asked(front, head("GET /orders", f"{name}: 7"))
    assert reply
    assert reply.status == 400 or name.title() not in reply.document()["headers"]


def test_the_address_is_that_of_the_connection(front: Front) -> None:
    sent = [
        *(
            "X-Forwarded-For: 10.9.8.7",
            "X-Forwarded-For: 10.9.8.8",
            "X-Forwarded-Proto: https",
            "X-Real-Ip: 10.9.8.7",
        ),
        *(
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Port: 1",
            "X-Forwarded-Server: evil.example",
        ),
        *(
            "X-Forwarded-Prefix: /evil.example",
            "X-Forwarded-Uri: /evil.example",
            "Forwarded: for=10.9.8.7",
        ),
    ]
    reply = asked(front, head("GET /orders", *sent), source="127.0.0.3")
    assert reply
    headers = reply.document()["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.3"
    assert headers["X-Forwarded-Proto"] == "http"
    assert "10.9.8." not in str(headers)
    assert "evil.example" not in str(headers)
    assert not {"X-Forwarded-For", "X-Forwarded-Proto"}.intersection(reply.document()["twice"])


def test_an_ipv4_address_is_one_on_a_socket_of_both_kinds(
    gateway: GatewayName, tmp_path: Path
) -> None:
    with started(gateway, tmp_path, gateway_host="::") as front:
        reply = asked(front, head("GET /orders"), source="127.0.0.3")
    assert reply
    assert reply.document()["headers"]["X-Forwarded-For"] == "127.0.0.3"


def test_headers_of_the_gateway_cannot_be_named_as_those_of_one_hop(front: Front) -> None:
    names = "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, traceparent, Host"
    reply = asked(front, head("GET /orders", f"Connection: close, {names}"), source="127.0.0.3")
    assert reply
    if reply.status != 400:
        headers = reply.document()["headers"]
        assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == ("127.0.0.3", "http")


def test_a_valid_trace_context_passes(front: Front) -> None:
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert _traced(front, f"traceparent: {sent}", "tracestate: a=b") == [sent]


@pytest.mark.parametrize(
    "sent",
    [
        (),
        ("traceparent: ",),
        ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",),
        ("traceparent: 00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",),
        ("traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01",),
        ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",),
        ("traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",),
        ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",),
        ('traceparent: 00-"}\\x-b7ad6b7169203331-01',),
        ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",) * 2,
    ],
    ids=[
        "missing",
        "empty",
        "short",
        "upper case",
        "no trace",
        "no parent",
        "version",
        "long",
        "quotes",
        "twice",
    ],
)
def test_a_missing_or_malformed_trace_context_is_replaced(
    front: Front, sent: tuple[str, ...]
) -> None:
    first, second = _traced(front, *sent), _traced(front, *sent)
    assert len(first) == len(second) == 1
    assert TRACE.fullmatch(first[0])
    assert TRACE.fullmatch(second[0])
    assert first != second


def _traced(front: Front, *headers: str) -> list[str]:
    reply = asked(front, head("GET /orders", *headers))
    assert reply
    seen = reply.document()
    assert "Traceparent" not in seen["twice"]
    return [value for name, value in seen["headers"].items() if name == "Traceparent"]
