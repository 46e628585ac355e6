"""Which port each process gets, and a clear word when one is taken."""

import random
import socket
from collections.abc import Iterable, Mapping

from valerix.launcher.errors import LauncherError
from valerix.launcher.topology import BY_NAME, DEFAULT_PORTS, GATEWAY, GATEWAY_METRICS, REPLICA_PORT_STEP, instances

LOWEST, HIGHEST = 10_000, 32_767  # above, the kernel takes ports for outgoing connections
ANY = range(LOWEST, HIGHEST + 1)


def free_ports(replicas: Mapping[str, int], within: range = ANY) -> dict[str, int]:
    """A free port for every process, with room for its replicas. Raises LauncherError."""
    taken: set[int] = set()
    chosen: dict[str, int] = {}
    for name in DEFAULT_PORTS:
        wanted = [REPLICA_PORT_STEP * number for number in range(replicas.get(name, 1))]
        base = _free_base(wanted, taken, within)
        taken.update(base + offset for offset in wanted)
        chosen[name] = base
    return chosen


def _free_base(offsets: list[int], taken: set[int], within: range) -> int:
    bases = within[: len(within) - offsets[-1]]
    for base in random.sample(bases, len(bases)):
        if all(base + offset not in taken and is_free(base + offset) for offset in offsets):
            return base
    raise LauncherError(f"No free ports between {within[0]} and {within[-1]}: VALERIX_AUTO_PORTS=FROM-TO names others")


def free_port() -> int:
    return _free_base([0], set(), ANY)


def is_free(port: int) -> bool:
    """Whether a server could listen there now; connections still closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_ports(ports: Mapping[str, int], replicas: Mapping[str, int]) -> None:
    """Raise LauncherError, one line per port that two processes want or another program has."""
    wanted = [(one.port, one.name, one.process) for one in instances(ports, replicas)]
    wanted.append((ports[GATEWAY_METRICS], GATEWAY_METRICS, GATEWAY_METRICS))
    problems = [*_shared(wanted), *(_busy(*one) for one in wanted if not is_free(one[0]))]
    if problems:
        raise LauncherError("\n".join(problems))


def check_port(ports: Mapping[str, int], name: str) -> None:
    """Raise LauncherError when another program has the port of process `name`."""
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
    for name, count in replicas.items():
        if name not in BY_NAME:
            raise LauncherError(f"There is no process {name!r}; there are: {', '.join(BY_NAME)}")
        if count != 1 and not (BY_NAME[name].replicable and 1 <= count <= 20):
            raise LauncherError(f"{name} cannot run {count} times")
