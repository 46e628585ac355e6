"""Runs real service processes for tests."""

import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.support.forking import Order, forker_of
from tests.support.identities import ISSUERS, Identities
from tests.support.leaks import assert_no_leaks
from tests.support.workers import free_port
from valerix.launcher.processes import Identity

READY_SECONDS = 90.0
SOURCE = Path(__file__).parents[2] / "src"


class NotStarted(Exception):
    """A process ended while starting, or was not ready in time; the message ends with its log."""


class Process:
    """One service process. `log` is the file with its output, `source` the folder of its code."""

    def __init__(self, name: str, port: int, settings: dict[str, str], log: Path) -> None:
        self.name, self.port, self.log = name, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.source = SOURCE
        self.quick_hashes = True
        self._settings = settings
        self._identity: Identity | None = None

    def start(self) -> Self:
        """Start the service and wait until it is ready."""
        environment = {"PATH": os.environ["PATH"], **self._settings}
        order = Order(self.name, environment, str(self.log), self.quick_hashes)
        self._identity = forker_of(self.source).fork(order)
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if not self._identity.is_alive() or time.monotonic() > deadline:
                self.end()
                raise NotStarted(
                    f"{self.name} did not become ready:\n{self.log.read_text()[-4000:]}"
                )
            time.sleep(0.02)
        return self

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=2):  # noqa: S310 - our own
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def cpu_seconds(self) -> float:
        """Returns the processor time that the process has used."""
        assert self._identity is not None
        fields = Path(f"/proc/{self._identity.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send(self, sent: signal.Signals) -> None:
        assert self._identity is not None
        os.kill(self._identity.pid, sent)

    def kill(self) -> None:
        """Send SIGKILL: the process cannot clean up. Has no effect if the process was not started
        or has ended.
        """
        if self._is_alive():
            self.send(signal.SIGKILL)
            self._wait(30)

    def end(self) -> None:
        """Send SIGINT: stop without the drain's pause. Has no effect if the process was not started
        or has ended.
        """
        if self._is_alive():
            self.send(signal.SIGCONT)
            self.send(signal.SIGINT)
            self._wait(5)
            self.kill()

    def _is_alive(self) -> bool:
        return self._identity is not None and self._identity.is_alive()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)


def prepare(name: str, identities: Identities, **settings: object) -> Process:
    """Returns a service that is not started yet; `settings` by field name."""
    port = free_port()
    given: dict[str, object] = {
        "port": port,
        "keys_file": identities.keys_file,
        "drain_seconds": 0,
        "user_limit": 0,
        "address_limit": 0,
        "bus_url": "redis://127.0.0.1:1",  # no bus there: events stay in the outbox
        **({"signing_key_file": identities.signing_key_file(name)} if name in ISSUERS else {}),
        **settings,
    }
    environ = {f"VALERIX_{field.upper()}": str(value) for field, value in given.items()}
    return Process(name, port, environ, identities.folder / f"{name}-{port}.log")


@contextmanager
def running(name: str, identities: Identities, **settings: object) -> Iterator[Process]:
    """Runs a service until the block ends."""
    with started(prepare(name, identities, **settings)) as process:
        yield process


@contextmanager
def started(process: Process) -> Iterator[Process]:
    """Starts a prepared service and ends it with the block; its log must hold no secret."""
    try:
        yield process.start()
    finally:
        process.end()
    assert_no_leaks([process.log])
