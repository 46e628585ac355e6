"""A private, real broker that tests may kill."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol

from valerix.launcher import valkey
from valerix.launcher.ports import free_port
from valerix.launcher.processes import STOP_AT_ONCE, dies_with_launcher

PASSWORD = "only-for-this-test-run"


class Broker(Protocol):
    url: str

    def start(self) -> None:
        """For the first time or after `kill`, with what it had written."""

    def kill(self) -> None: ...

    def close(self) -> None: ...


class ValkeyServer:
    """As the launcher starts it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = valkey.url(self.port, PASSWORD)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            valkey.command(self._folder, self.port, PASSWORD),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=dies_with_launcher(STOP_AT_ONCE),  # noqa: PLW1509 - two system calls, no lock
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "Valkey ended while starting"
            assert time.monotonic() < deadline, "Valkey did not start within 30 s"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection, connection.makefile() as replies:
                connection.sendall(f"AUTH {PASSWORD}\r\nPING\r\n".encode())
                return [replies.readline(), replies.readline()] == ["+OK\n", "+PONG\n"]
        except OSError:
            return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
