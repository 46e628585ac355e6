"""Reads processor time from /proc, per process; for PostgreSQL's sessions, per database."""

import os
import resource
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

TICKS: Final = os.sysconf("SC_CLK_TCK")
BUSY_FIELDS: Final = (0, 1, 2, 5, 6, 7)
"""Fields of the `cpu` line of /proc/stat: user, nice, system, irq, softirq, steal.

The rest is idle or waiting.
"""
LOAD, BENCHMARK = "load generator", "benchmark"


class Usage(NamedTuple):
    """Processor seconds used until `at`, a time of the monotonic clock."""

    at: float
    by_process: dict[str, float]
    machine: float


def sample(processes: Mapping[str, int], postmaster: int, sessions: Mapping[int, str]) -> Usage:
    """Return the processor seconds used so far.

    `processes`: process numbers by name. `sessions`: the database (or role) of each PostgreSQL
    process.
    """
    used: dict[str, float] = {}
    for name, pid in processes.items():
        _add(used, name, sum(family_seconds(pid)))
    own, ended = family_seconds(postmaster, children=False)
    _add(used, "postgres: server", own)
    _add(used, "postgres: ended sessions", ended)
    for pid in _children(postmaster):
        _add(used, f"postgres: {sessions.get(pid, 'server')}", family_seconds(pid)[0])
    children, ourselves = (
        resource.getrusage(resource.RUSAGE_CHILDREN),
        resource.getrusage(resource.RUSAGE_SELF),
    )
    used[LOAD] = children.ru_utime + children.ru_stime
    used[BENCHMARK] = ourselves.ru_utime + ourselves.ru_stime
    return Usage(time.monotonic(), used, _machine_seconds())


def between(before: Usage, after: Usage) -> dict[str, float]:
    """Return the seconds used by each process; a new or restarted process counts from zero."""
    used = {
        name: value - before.by_process.get(name, 0.0) for name, value in after.by_process.items()
    }
    return {name: value if value >= 0 else after.by_process[name] for name, value in used.items()}


def family_seconds(pid: int, *, children: bool = True) -> tuple[float, float]:
    """Return the seconds of a process with its living descendants, and of its ended children."""
    own, ended = _seconds(pid)
    if children:
        for child in _children(pid):
            for_child = family_seconds(child)
            own += sum(for_child)
    return own, ended


def _seconds(pid: int) -> tuple[float, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    user, system, ended_user, ended_system = (int(field) for field in fields[11:15])
    return (user + system) / TICKS, (ended_user + ended_system) / TICKS


def _children(pid: int) -> Iterable[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def _machine_seconds() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[place]) for place in BUSY_FIELDS) / TICKS


def _add(used: dict[str, float], name: str, seconds: float) -> None:
    used[name] = used.get(name, 0.0) + seconds
