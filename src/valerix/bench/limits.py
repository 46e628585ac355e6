"""Determines the exhausted resource, from the processes and sessions busy during the load."""

from collections.abc import Mapping
from typing import Final

MACHINE_FULL, PROCESS_FULL, WAITS_MANY = 0.9, 0.85, 2.0
SINGLE_THREADED: Final = frozenset(
    {
        "orders",
        "inventory",
        "payments",
        "users",
        "notifications",
        "psp",
        "worker",
        "console",
        "valkey",
    }
)
"""Processes that use at most one core."""


def exhausted(
    cores: int,
    machine_cores: float,
    busy_cores: Mapping[str, float],
    waits: Mapping[str, float],
    connections: int,
) -> str:
    """Return the exhausted resource, in words."""
    largest = max(busy_cores, key=lambda name: busy_cores[name], default="")
    full = [
        name
        for name, busy in busy_cores.items()
        if name.split("-")[0] in SINGLE_THREADED and busy >= PROCESS_FULL
    ]
    if full:
        return f"the one core of {', '.join(sorted(full))}"
    if machine_cores >= MACHINE_FULL * cores:
        return f"the machine's {cores} cores (most: {largest}, {busy_cores[largest]:.2f})"
    syncing = sum(
        count for reason, count in waits.items() if "WalSync" in reason or "WALWrite" in reason
    )
    if syncing >= WAITS_MANY:
        return f"the disk: {syncing:.1f} sessions wait for the log on average"
    locked = sum(count for reason, count in waits.items() if ": Lock" in reason)
    if locked >= WAITS_MANY:
        return f"locks: {locked:.1f} sessions wait for others on average"
    if connections <= 8:
        return f"nothing: {connections} connections wait for one answer after the other"
    return f"nothing: {machine_cores:.2f} of {cores} cores were busy"
