"""Where the time goes: every Python process sampled while a load lasts, one folded stack file each."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from valerix.bench import programs

RATE: Final = 100
"""Samples per second."""
GRACE_SECONDS: Final = 240.0
"""On a busy machine it falls behind, and goes on until it has all its samples."""
SHOWN: Final = 15


async def record(pids: Mapping[str, int], seconds: float, folder: Path) -> dict[str, Path]:
    """`NAME.folded` for each process; render them with any flame graph program. Raises LauncherError."""
    files = {name: folder / f"{name}.folded" for name in pids}
    py_spy = programs.get_py_spy()
    await asyncio.gather(
        *(
            programs.run(
                [
                    *(py_spy, "record", "--pid", str(pid), "--format", "raw", "--rate", str(RATE), "--nonblocking"),
                    *("--duration", f"{seconds:.0f}", "--output", str(files[name])),
                ],
                seconds + GRACE_SECONDS,
            )
            for name, pid in pids.items()
        )
    )
    return {name: file for name, file in files.items() if file.exists()}


def hottest(folded: str) -> list[tuple[str, float]]:
    """Functions by the share of samples in which they were at work themselves."""
    own: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        own[stack.rpartition(";")[2]] += int(count)
    total = sum(own.values())
    return [(name, count / total) for name, count in own.most_common(SHOWN)]
