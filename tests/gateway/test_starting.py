"""A starting gateway never answers 404 for an existing path."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.gateway.front import Front, prepared
from tests.gateway.wire import Reply, asked, head
from tests.support.eventually import until_blocking
from valerix.launcher.settings import GatewayName


class Hammer:
    """Sends requests repeatedly, each on a new connection."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.replies: list[Reply | None] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._end.is_set():
            try:
                self.replies.append(asked(self.front, head("GET /api/v1/orders")))
            except OSError:
                continue  # the connection was refused

    @property
    def served(self) -> int:
        return sum(reply is not None and reply.status == 200 for reply in [*self.replies])

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()

    def wrong(self) -> list[Reply]:
        return [
            reply
            for reply in self.replies
            if reply and reply.status != 200 and not _says_to_wait(reply)
        ]


def _says_to_wait(reply: Reply) -> bool:
    return (reply.status, reply.headers["Content-Type"]) == (
        503,
        "application/problem+json",
    ) and bool(reply.headers["Retry-After"])


def test_what_exists_is_found_from_the_first_answer_on(
    gateway: GatewayName, tmp_path: Path
) -> None:
    with prepared(gateway, tmp_path, gateway_rate=100_000) as front:
        hammers = [Hammer(front), Hammer(front)]
        with hammers[0].at_work(), hammers[1].at_work():
            for _ in range(3):
                before = hammers[0].served
                front.start()
                # The function is called at once.
                until_blocking(lambda: hammers[0].served > before + 20, "it is there")  # noqa: B023
                front.process.send_signal(signal.SIGKILL)
                front.process.wait()
        assert [wrong for hammer in hammers for wrong in hammer.wrong()] == []


def test_what_exists_is_found_before_its_services_are(gateway: GatewayName, tmp_path: Path) -> None:
    with prepared(gateway, tmp_path) as front:
        for service in front.services.values():
            service.stop()
        front.start()
        try:
            until_blocking(lambda: front.listens() and front.get("/unknown")[0] == 404, "it runs")
            until_blocking(
                lambda: front.get("/api/v1/orders")[0] != 404, "the gateway has its routes"
            )
            assert {
                front.get(path)[0] for path in ("/api/v1/orders", "/orders/7", "/docs", "/ws")
            } <= {502, 503}
        finally:
            front.stop()
