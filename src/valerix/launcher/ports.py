"""Assigns a port to each process, and reports clearly which port is taken."""

import random
import socket
import sys
from collections.abc import Iterable, Mapping
from typing import Self

from valerix.launcher.errors import LauncherError
from valerix.launcher.topology import (
    BY_NAME,
    DEFAULT_PORTS,
    GATEWAY,
    GATEWAY_METRICS,
    REPLICA_PORT_STEP,
    instances,
)

LOWEST, HIGHEST = 10_000, 32_767  # the kernel uses higher ports for outgoing connections
ANY = range(LOWEST, HIGHEST + 1)


class PortClaims:
    """The ports claimed by one launcher, which no other launcher of this machine takes.

    That a port is free proves nothing: its process may be about to start, or to start again. The
    kernel keeps the claims, as names of sockets, and drops them when the process ends. Only Linux
    supports this.
    """

    def __init__(self) -> None:
        self._marks: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for port in list(self._marks):
            self._drop(port)

    def claim(self, port: int) -> bool:
        """Claim `port`; return False if another launcher has claimed it."""
        if port in self._marks:
            return True
        mark = socket.socket(socket.AF_UNIX)
        try:
            if sys.platform == "linux":
                mark.bind(f"\0valerix-port-{port}")
        except OSError:
            mark.close()
            return False
        self._marks[port] = mark
        return True

    def choose(self, replicas: Mapping[str, int], within: range = ANY) -> dict[str, int]:
        """Claim a free port for every process, and further ports for its replicas.

        Raises LauncherError.
        """
        steps = {
            name: [REPLICA_PORT_STEP * number for number in range(replicas.get(name, 1))]
            for name in DEFAULT_PORTS
        }
        return {name: self.choose_base(offsets, within) for name, offsets in steps.items()}

    def choose_base(self, offsets: list[int], within: range) -> int:
        """Claim free ports at these offsets above a base port; return the base.

        Raises LauncherError.
        """
        bases = within[: len(within) - offsets[-1]]
        for base in random.sample(bases, len(bases)):
            wanted = [base + offset for offset in offsets]
            if self._marks.keys().isdisjoint(wanted) and self._claim_free(wanted):
                return base
        raise LauncherError(
            f"No free ports between {within[0]} and {within[-1]}: "
            "set VALERIX_AUTO_PORTS=FROM-TO to another range"
        )

    def _claim_free(self, ports: list[int]) -> bool:
        """Claim all of the ports or none; return whether it succeeded."""
        for number, port in enumerate(ports):
            if not (is_free(port) and self.claim(port)):
                for claimed in ports[:number]:
                    self._drop(claimed)
                return False
        return True

    def _drop(self, port: int) -> None:
        self._marks.pop(port).close()


def free_ports(replicas: Mapping[str, int], within: range = ANY) -> dict[str, int]:
    """Return a free port for every process; the ports are not claimed. Raises LauncherError."""
    with PortClaims() as claims:
        return claims.choose(replicas, within)


def free_port() -> int:
    """Return a free port, not claimed. Raises LauncherError."""
    with PortClaims() as claims:
        return claims.choose_base([0], ANY)


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` now.

    Connections still closing do not count.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def claim_ports(claims: PortClaims, ports: Mapping[str, int], replicas: Mapping[str, int]) -> None:
    """Claim the ports of all processes.

    Raises LauncherError with one line per port that two processes share, or that another stack or
    program uses.
    """
    wanted = [(one.port, one.name, one.process) for one in instances(ports, replicas)]
    wanted.append((ports[GATEWAY_METRICS], GATEWAY_METRICS, GATEWAY_METRICS))
    problems = _shared(wanted)
    for port, name, process in wanted:
        if not claims.claim(port):
            problems.append(
                f"Port {port} belongs to another stack of this machine, "
                f"{name} needs it: {_remedy(process)}"
            )
        elif not is_free(port):
            problems.append(_busy(port, name, process))
    if problems:
        raise LauncherError("\n".join(problems))


def check_port(ports: Mapping[str, int], name: str) -> None:
    """Raise LauncherError if another program uses the port of process `name`."""
    if not is_free(ports[name]):
        raise LauncherError(_busy(ports[name], name, name))


def _shared(wanted: Iterable[tuple[int, str, str]]) -> list[str]:
    owners: dict[int, str] = {}
    return [
        f"Port {port} is wanted by both {owners[port]} and {name}: {_remedy(process)}"
        for port, name, process in wanted
        if owners.setdefault(port, name) != name
    ]


def _busy(port: int, name: str, process: str) -> str:
    return f"Port {port} is in use by another program, {name} needs it: {_remedy(process)}"


def _remedy(process: str) -> str:
    option = "--port N" if process == GATEWAY else f"VALERIX_{process.upper()}_PORT=N"
    return f"choose another with {option}, or let --ports auto choose"


def check_replicas(replicas: Mapping[str, int]) -> None:
    """Raise LauncherError for an unknown process, or a number of copies it cannot run."""
    for name, count in replicas.items():
        if name not in BY_NAME:
            raise LauncherError(f"There is no process {name!r}; there are: {', '.join(BY_NAME)}")
        if count != 1 and not (BY_NAME[name].replicable and 1 <= count <= 20):
            raise LauncherError(f"{name} cannot run {count} times")
