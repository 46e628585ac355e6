"""Describes the machine of a benchmark: without it, the figures have no meaning."""

import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from valerix.bench.results import Environment
from valerix.chassis.base.settings import PREFIX, inherited

SYNCS: Final = 100
BLOCK: Final = b"\0" * 8192
SECRET: Final = ("PASSWORD", "SECRET", "TOKEN", "KEY", "URL")


def describe(folder: Path, postgres: str) -> Environment:
    """Return the environment of a benchmark. `folder`: the folder for the stack's data."""
    return Environment(
        cores=os.cpu_count() or 1,
        processor=_line("/proc/cpuinfo", "model name"),
        memory_mib=int(_line("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        kernel=platform.release(),
        python=platform.python_version(),
        postgres=postgres,
        file_system=_file_system(folder),
        sync_ms=round(_sync_ms(folder), 3),
        load_average=os.getloadavg()[0],
        settings={name: value for name, value in inherited().items() if _is_shown(name)},
    )


def _is_shown(name: str) -> bool:
    return name.startswith(PREFIX) and not any(word in name for word in SECRET)


def _line(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith(name)), "0 unknown"
    )


def _file_system(folder: Path) -> str:
    """Return the file system of the longest mount point above `folder`."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(mount[1], mount[2]) for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


def _sync_ms(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            started = time.perf_counter()
            file.write(BLOCK)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return median(taken) * 1000
