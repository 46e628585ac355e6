"""The ceiling: throughput of the same PostgreSQL under pgbench, one complete order at a time."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from valerix.bench import programs
from valerix.launcher.errors import LauncherError

DATABASE: Final = "ceiling"
CLIENTS: Final = 32
GRACE_SECONDS: Final = 60.0
ATTEMPTS: Final = 5
SCRIPTS: Final = {"ceiling": "order.sql", "ceiling-single": "single.sql", "ceiling-hot": "hot.sql"}
"""Scripts by system: a complete order in its transactions, the same with one statement for each
step, and a reservation of one hot product."""
_TPS = re.compile(r"^tps = ([\d.]+)", re.M)
_LATENCY = re.compile(r"^latency average = ([\d.]+) ms", re.M)


class Reached(NamedTuple):
    """The throughput of one run of pgbench, in scripts per second, and its average latency."""

    per_second: float
    latency_ms: float


class Ceiling:
    """A separate database on the stack's server, with the stack's settings."""

    def __init__(self, pgbench: Path, server: Mapping[str, str]) -> None:
        """`server`: libpq's environment (PGHOST, PGPORT, PGUSER, PGPASSWORD)."""
        self._pgbench = pgbench
        self._environment = {**server, "PGDATABASE": DATABASE}
        # pgbench spends a part of its time on connecting and leaves it out of its report. On a busy
        # machine that part can be all of the time.
        self._connecting_seconds = 1.0

    async def make(self, superuser_url: str) -> None:
        """Create the database, empty; one of an earlier run is dropped."""
        server = await asyncpg.connect(superuser_url)
        try:
            await server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            await server.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await server.close()
        database = await asyncpg.connect(superuser_url, database=DATABASE)
        try:
            await database.execute(
                (resources.files("valerix.bench") / "ceiling" / "schema.sql").read_text()
            )
            await database.execute("VACUUM ANALYZE")
        finally:
            await database.close()

    async def reach(self, system: str, seconds: float) -> Reached:
        """Run pgbench on the script of `system`. Raises LauncherError."""
        for _ in range(ATTEMPTS):
            printed = await self._run(system, seconds + self._connecting_seconds)
            tps, latency = _TPS.search(printed), _LATENCY.search(printed)
            if tps and latency:
                return Reached(float(tps[1]), float(latency[1]))
            self._connecting_seconds *= 2
        raise LauncherError(f"pgbench printed no result that can be read:\n{printed[-2000:]}")

    async def _run(self, system: str, seconds: float) -> str:
        with resources.as_file(
            resources.files("valerix.bench") / "ceiling" / SCRIPTS[system]
        ) as script:
            command = [
                *(str(self._pgbench), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1"),
                *("-T", f"{seconds:.0f}", "-f", str(script)),
            ]
            return await programs.run(command, seconds + GRACE_SECONDS, self._environment)
