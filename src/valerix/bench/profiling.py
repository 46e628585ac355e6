"""Profiles a load: samples Python processes into folded stacks, and ranks statements by time."""

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
"""Extra time for py-spy: on a busy machine it falls behind, and continues to its last sample."""
SHOWN: Final = 15


async def record(pids: Mapping[str, int], seconds: float, folder: Path) -> dict[str, Path]:
    """Record `NAME.folded` for each process; any flame graph program renders them.

    Raises LauncherError.
    """
    files = {name: folder / f"{name}.folded" for name in pids}
    py_spy = programs.get_py_spy()
    await asyncio.gather(
        *(
            programs.run(
                [
                    *(
                        py_spy,
                        "record",
                        "--pid",
                        str(pid),
                        "--format",
                        "raw",
                        "--rate",
                        str(RATE),
                        "--nonblocking",
                    ),
                    *("--duration", f"{seconds:.0f}", "--output", str(files[name])),
                ],
                seconds + GRACE_SECONDS,
            )
            for name, pid in pids.items()
        )
    )
    return {name: file for name, file in files.items() if file.exists()}


def hottest(folded: str) -> list[tuple[str, float]]:
    """Return the functions with the most own time, as shares of all samples."""
    own: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        own[stack.rpartition(";")[2]] += int(count)
    total = sum(own.values())
    return [(name, count / total) for name, count in own.most_common(SHOWN)]


class Statement(NamedTuple):
    """Totals of a statement since an arbitrary time in the past.

    Only differences have a meaning.
    """

    milliseconds: float
    """From begin to end, including waits for locks and the disk."""
    calls: float
    rows: float
    wal_bytes: float

    def since(self, before: "Statement") -> "Statement":
        """Return the totals since an earlier reading."""
        return Statement(*(now - then for now, then in zip(self, before, strict=True)))


NOTHING: Final = Statement(0, 0, 0, 0)


async def statements(server: Connection) -> dict[str, Statement]:
    """Return the statements of every service, by database and their first words."""
    found = await server.fetch(
        r"""
        SELECT d.datname || ': ' || left(regexp_replace(s.query, '\s+', ' ', 'g'), 100)
                   AS statement,
               sum(s.total_exec_time)::float, sum(s.calls)::float, sum(s.rows)::float,
               sum(s.wal_bytes)::float
        FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname <> 'postgres' GROUP BY 1
        """
    )
    return {row[0]: Statement(*row[1:]) for row in found}


def slowest(
    before: Mapping[str, Statement], after: Mapping[str, Statement]
) -> list[tuple[str, float]]:
    """Return the slowest statements, with their share of the time of all statements."""
    took = [(name, statement.since(before.get(name, NOTHING))) for name, statement in after.items()]
    called = [(name, statement) for name, statement in took if statement.calls > 0]
    total = sum(statement.milliseconds for _, statement in called)
    ranked = sorted(called, key=lambda each: -each[1].milliseconds)
    return [
        (
            f"{n} ({s.rows / s.calls:.1f} rows "
            f"and {s.wal_bytes / s.calls:,.0f} bytes of log a call)",
            s.milliseconds / total,
        )
        for n, s in ranked[:SHOWN]
    ]
