"""Private, real brokers that tests may kill: Valkey, and RabbitMQ from Debian's package, run by any
user.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from tests.support.workers import free_port
from valerix.launcher import valkey
from valerix.launcher.processes import STOP_AT_ONCE, dies_with_launcher
from valerix.launcher.valkey import DEFAULT_USER, ValkeyUser

PASSWORD = "only-for-this-test-run"
PACKAGE = "rabbitmq-server"
HOMES = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
"""The scripts in this folder, unlike those on the PATH, do not require the account `rabbitmq`."""
RABBITMQ_STARTS_SECONDS = 120
QUEUE_SETTLES_SECONDS = 2


class Broker(Protocol):
    url: str

    def start(self) -> None:
        """Start it for the first time, or after `kill` with the data it had written."""

    def kill(self) -> None: ...

    def close(self) -> None: ...


class ValkeyServer:
    """Valkey as the launcher starts it, with one user that has all permissions, and with
    `users`.
    """

    def __init__(
        self, folder: Path, port: int | None = None, users: Sequence[ValkeyUser] = ()
    ) -> None:
        self.port = port or free_port()
        self._users = [ValkeyUser(DEFAULT_USER, PASSWORD, "~* &* +@all"), *users]
        self.url = valkey.url(self.port, PASSWORD)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, port: int | None = None, users: Sequence[ValkeyUser] = ()
    ) -> Iterator[Self]:
        server = cls(folder, port, users)
        try:
            server.start()
            yield server
        finally:
            server.close()

    def start(self) -> None:
        self._process = subprocess.Popen(
            valkey.command(self._folder, self.port, self._users),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=dies_with_launcher(STOP_AT_ONCE),  # noqa: PLW1509 - takes no lock
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "Valkey ended while starting"
            assert time.monotonic() < deadline, "Valkey did not start within 30 s"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 1) as connection,
                connection.makefile() as replies,
            ):
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


def rabbitmq_is_installed() -> bool:
    return bool(HOMES)


class RabbitServer:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._folder = folder
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "log.console = true\n"
            "log.console.level = warning\n"
            "log.file = false\n"
            "vm_memory_high_watermark.absolute = 512MB\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        self._epmd_port = free_port()
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),  # the Erlang cookie is created here
            "LANG": "C.UTF-8",
            "RABBITMQ_HOME": str(HOMES[-1]),
            # One process: a wrapper script would die without stopping the server.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": f"valerix{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def start(self) -> None:
        """Start and wait until it answers in AMQP; its port is open earlier."""
        if self._epmd is None:
            # Otherwise the server starts one as a daemon, which outlives the server.
            self._epmd = self._spawn("epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1")
        self._server = self._spawn(str(HOMES[-1] / "sbin" / PACKAGE))
        deadline = time.monotonic() + RABBITMQ_STARTS_SECONDS
        while not self._answers():
            assert self._server.poll() is None, (
                f"RabbitMQ ended while starting, see {self._folder}/output"
            )
            assert time.monotonic() < deadline, (
                f"RabbitMQ did not start in time, see {self._folder}/output"
            )
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill the server; `start` starts it again."""
        assert self._server is not None
        # A node killed within 0.5 s of a queue's declaration keeps the queue, but loses the name of
        # its Raft server.
        time.sleep(QUEUE_SETTLES_SECONDS)
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait(30)

    def forget(self) -> None:
        """Delete all written data; call it after `kill`."""
        shutil.rmtree(self._folder / "mnesia")

    def send(self, sent: signal.Signals) -> None:
        """Send a signal to all processes of the server, e.g. SIGSTOP or SIGCONT."""
        assert self._server is not None
        os.killpg(self._server.pid, sent)

    def close(self) -> None:
        for process in (self._server, self._epmd):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=dies_with_launcher(STOP_AT_ONCE),  # noqa: PLW1509 - takes no lock
            )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(8))
        except OSError:
            return False
