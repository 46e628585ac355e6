"""The Python program of docs/client.md runs outside of this checkout with the package installed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.server import AT, ORDER, SIGNED_IN, Reply, Server, problem

ROOT = Path(__file__).parents[2]
EVENT = {
    "version": 2,
    "type": "order.confirmed",
    "occurredAt": AT,
    "traceId": "0af7",
    "status": "confirmed",
    "errorCode": None,
    "errorMessage": None,
    "steps": [
        {
            "name": "charge",
            "attempt": 1,
            "outcome": "ok",
            "startedAt": AT,
            "durationMs": 12.5,
            "detail": None,
        }
    ],
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (text,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "client.md").read_text(), re.M | re.S
    )
    file = tmp_path / "order.py"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of mypy: the types of the package."""
    return tmp_path_factory.mktemp("mypy")


def outside(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder from which only the package of this checkout can be imported."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def typed(program: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return outside(
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        cache,
        program.name,
        folder=program.parent,
    )


def test_it_is_typed(program: Path, cache: Path) -> None:
    """This needs `py.typed` (PEP 561): mypy reads the package like any installed package."""
    checked = typed(program, cache)
    assert checked.returncode == 0, checked.stdout


def test_a_wrong_call_is_found(program: Path, cache: Path) -> None:
    program.write_text(program.read_text().replace('{"PROD-001": 2}', '{"PROD-001": "2"}'))
    checked = typed(program, cache)
    assert '"str": "str"; expected "str": "int"' in checked.stdout


def test_it_places_an_order_and_follows_it(server: Server, program: Path) -> None:
    completed = {**ORDER, "status": "completed"}
    timeline = {"orderId": ORDER["id"], "events": [EVENT], "nextCursor": None}
    server.acts(
        *(Reply(200, SIGNED_IN), Reply(200, SIGNED_IN["user"]), Reply(201, ORDER)),
        *(Reply(200, completed), Reply(200, timeline)),
    )
    ended = outside(program.name, server.url, "a@b.c", "password", folder=program.parent)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[1:] == [
        "completed",
        "2026-01-02 03:04:05+00:00 confirmed ['charge']",
    ]
    assert "idempotency-key" in server.received[2].headers


def test_it_says_why_an_order_is_refused(server: Server, program: Path) -> None:
    refusal = problem(
        402, "payment_declined", "The card was declined", order={**ORDER, "status": "failed"}
    )
    server.acts(Reply(200, SIGNED_IN), Reply(200, SIGNED_IN["user"]), refusal)
    ended = outside(program.name, server.url, "a@b.c", "password", folder=program.parent)
    assert (ended.returncode, ended.stdout) == (0, "declined: The card was declined\n")
