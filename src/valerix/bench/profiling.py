"""Where the time goes: every Python process sampled while a load lasts, one folded stack file each; and statements."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from asyncpg.connection import Connection

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


class Statement(NamedTuple):
    """What a statement took since some time in the past; only differences mean something."""

    milliseconds: float
    """From begin to end: waiting for locks and the disk is in it."""
    calls: float
    rows: float
    wal_bytes: float

    def since(self, before: "Statement") -> "Statement":
        return Statement(*(now - then for now, then in zip(self, before, strict=True)))


NOTHING: Final = Statement(0, 0, 0, 0)


async def statements(server: Connection) -> dict[str, Statement]:
    """Those of every service, by database and first words."""
    found = await server.fetch(
        r"""
        SELECT d.datname || ': ' || left(regexp_replace(s.query, '\s+', ' ', 'g'), 100) AS statement,
               sum(s.total_exec_time)::float, sum(s.calls)::float, sum(s.rows)::float, sum(s.wal_bytes)::float
        FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname <> 'postgres' GROUP BY 1
        """
    )
    return {row[0]: Statement(*row[1:]) for row in found}


def slowest(before: Mapping[str, Statement], after: Mapping[str, Statement]) -> list[tuple[str, float]]:
    """Statements by their share of the time all of them took."""
    took = [(name, statement.since(before.get(name, NOTHING))) for name, statement in after.items()]
    called = [(name, statement) for name, statement in took if statement.calls > 0]
    total = sum(statement.milliseconds for _, statement in called)
    ranked = sorted(called, key=lambda each: -each[1].milliseconds)
    return [
        (
            f"{n} ({s.rows / s.calls:.1f} rows and {s.wal_bytes / s.calls:,.0f} bytes of log a call)",
            s.milliseconds / total,
        )
        for n, s in ranked[:SHOWN]
    ]
