"""The access log: one JSON document per line, without personal data, and truncated while it is
written.
"""

import json
from typing import Any

import pytest

from tests.gateway.front import Front
from tests.gateway.wire import asked, connected, head, posted
from tests.support.eventually import until_blocking


def entries(front: Front, marker: str) -> list[dict[str, Any]]:
    """Waits for the entry of a request for `marker`, because Traefik writes in batches; returns all
    entries.
    """
    front.get(f"/orders/{marker}")
    for _ in range(150):
        front.get("/health")
    until_blocking(
        lambda: marker in front.listening.access_log.read_text(), f"{marker} is in the access log"
    )
    text = front.listening.access_log.read_bytes()
    return [json.loads(line) for line in text[: text.rindex(b"\n")].splitlines()]


def test_the_access_log_tells_the_path_and_no_secret(front: Front) -> None:
    marker = "7f3c-logged"
    front.reached(f"/orders/{marker}?token=in-the-query", {"Authorization": "Bearer in-the-header"})
    entry = next(
        one for one in entries(front, "after-it") if one["RequestPath"] == f"/orders/{marker}"
    )
    assert (entry["DownstreamStatus"], entry["RequestMethod"]) == (200, "GET")
    assert entry["RouterName"] in ("orders", "orders@file")
    assert entry["ServiceURL"].endswith(
        tuple(f":{front.echo(f'orders-{n}').server_port}" for n in (1, 2))
    )
    assert entry["DownstreamContentSize"] > 0
    assert entry["Duration"] >= entry["OriginDuration"] >= 0
    text = front.listening.access_log.read_text()
    assert "in-the-query" not in text
    assert "in-the-header" not in text


def test_the_access_log_has_no_whole_address(front: Front) -> None:
    asked(front, head("GET /orders/from-there", "X-Forwarded-For: 10.9.8.7"), source="127.0.0.77")
    assert [one for one in entries(front, "later") if one["RequestPath"] == "/orders/from-there"]
    text = front.listening.access_log.read_text()
    assert "127.0.0.77" not in text
    assert "10.9.8.7" not in text


@pytest.mark.parametrize(
    "sent",
    [
        head('GET /orders/"quoted"'),
        head("GET /orders/back\\slash"),
        head("GET /orders/%22%0a%00%ff"),
        head("GET /orders/\x01\x1f\x7f"),
        head("GET /orders/\xff\xfe\xe9"),
        head('GET /orders/7?a="b"'),
        head('G"T /orders'),
        head("GET /orders", 'traceparent: "}, {"'),
        head("GET /orders", host='"quoted"'),
        head("GET http://user:secret@localhost/orders"),
        b'"{" nonsense\r\n\r\n',
        head("GET /orders/" + "long" * 4000),
        head("GET /orders", 'Content-Length: "'),
        posted(b'"}\n{'),
    ],
    ids=[
        *(
            "quotes",
            "backslash",
            "encoded",
            "control characters",
            "not UTF-8",
            "quotes in query",
            "quotes in method",
        ),
        *(
            "quotes in trace",
            "quotes in host",
            "password",
            "nonsense",
            "long",
            "quotes in length",
            "quotes in body",
        ),
    ],
)
def test_every_line_is_a_document_whatever_was_asked_for(
    front: Front, sent: bytes, request: pytest.FixtureRequest
) -> None:
    asked(front, sent)
    found = entries(front, f"after-{request.node.name.encode().hex()}")
    assert {type(one) for one in found} == {dict}
    assert "secret" not in front.listening.access_log.read_text()


def test_a_copy_that_goes_and_comes_is_no_line_of_the_access_log(front: Front) -> None:
    service = front.echo("payments-1")
    service.ready = False
    until_blocking(
        lambda: front.get("/payments")[0] == 503, "the service is removed from balancing"
    )
    service.ready = True
    until_blocking(lambda: front.get("/payments")[0] == 200, "it is back")
    assert entries(front, "gone-and-back")


def test_the_access_log_is_cut_while_it_is_written(front: Front) -> None:
    log = front.listening.access_log
    entries(front, "before-the-cut")
    assert front.gateway.cut_log(limit_bytes=1)
    found = entries(front, "after-the-cut")
    assert "before-the-cut" not in str(found)
    assert front.gateway.cut_log(limit_bytes=1), "and again"
    assert entries(front, "after-both")
    assert "before-the-cut" in log.with_name(f"{log.name}.2").read_text()
    assert not log.read_bytes().startswith(b"\0"), (
        "the log must be appended to at its new end, not at its former one"
    )


def test_a_connection_without_a_request_is_logged_as_a_document_or_not_at_all(front: Front) -> None:
    with connected(front):
        pass
    for begun in (b"GET /ord", b'\x16\x03\x01"\r\n\r\n'):
        with connected(front) as wire:
            wire.send(begun)
    assert entries(front, "after-silence")


def test_the_access_log_and_the_configuration_are_for_their_owner_only(front: Front) -> None:
    front.get("/health")
    found = [front.listening.folder, *front.listening.folder.rglob("*")]
    modes = {file.name: file.lstat().st_mode & 0o077 for file in found if not file.is_symlink()}
    assert "access.log" in modes
    assert not {name for name, others in modes.items() if others}
