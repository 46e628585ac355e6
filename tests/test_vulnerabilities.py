"""The query for known vulnerabilities: found, none, and no answer, which is not the same as
none.
"""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "vulnerabilities"
Answer = Callable[[list[dict[str, object]]], object]


class Service(http.server.ThreadingHTTPServer):
    """Replaces the public service; `answer` builds its document from the queries."""

    answer: Answer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert isinstance(self.server, Service)
        body = json.dumps(self.server.answer(asked["queries"])).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.shutdown()
    service.server_close()


def run(url: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, url], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout


def test_every_locked_package_is_asked_about(service: Service) -> None:
    asked: list[object] = []

    def answer(queries: list[dict[str, object]]) -> object:
        asked.extend(query["package"] for query in queries)
        return {"results": [{} for _ in queries]}

    service.answer = answer
    assert run(f"http://127.0.0.1:{service.server_port}")[0] == 0
    assert {"ecosystem": "PyPI", "name": "litestar"} in asked
    assert {"ecosystem": "PyPI", "name": "pytest"} in asked


def test_what_is_found_is_named(service: Service) -> None:
    service.answer = lambda queries: {
        "results": [{"vulns": [{"id": "GHSA-1"}]}, *({} for _ in queries[1:])]
    }
    status, said = run(f"http://127.0.0.1:{service.server_port}")
    assert status == 1
    assert "GHSA-1" in said


@pytest.mark.parametrize("answer", [{"results": []}, {"error": "busy"}, "nonsense"])
def test_an_answer_to_another_question_is_none(service: Service, answer: object) -> None:
    service.answer = lambda _: answer
    status, said = run(f"http://127.0.0.1:{service.server_port}")
    assert (status, "NOT CHECKED" in said) == (75, True)


def test_nobody_there_is_not_checked() -> None:
    status, said = run("http://127.0.0.1:1")
    assert (status, "NOT CHECKED" in said) == (75, True)
