"""The ceiling: what the same PostgreSQL does when nobody but pgbench asks it, one whole order at a time."""

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
"""By system: the whole order in its transactions, with a statement for each step, a reservation of one hot product."""
_TPS = re.compile(r"^tps = ([\d.]+)", re.M)
_LATENCY = re.compile(r"^latency average = ([\d.]+) ms", re.M)


class Reached(NamedTuple):
    per_second: float
    latency_ms: float


class Ceiling:
    """A database of its own on the stack's server, with the stack's settings."""

    def __init__(self, pgbench: Path, server: Mapping[str, str]) -> None:
        """`server`: libpq's environment (PGHOST, PGPORT, PGUSER, PGPASSWORD)."""
        self._pgbench = pgbench
        self._environment = {**server, "PGDATABASE": DATABASE}
        # Of its time pgbench spends some on connecting, and leaves it out of what it reports; on a busy machine, all.
        self._connecting_seconds = 1.0

    async def make(self, superuser_url: str) -> None:
        """An empty one: what an earlier run left is dropped."""
        server = await asyncpg.connect(superuser_url)
        try:
            await server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            await server.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await server.close()
        database = await asyncpg.connect(superuser_url, database=DATABASE)
        try:
            await database.execute((resources.files("valerix.bench") / "ceiling" / "schema.sql").read_text())
            await database.execute("VACUUM ANALYZE")
        finally:
            await database.close()

    async def reach(self, system: str, seconds: float) -> Reached:
        """Raises LauncherError."""
        for _ in range(ATTEMPTS):
            printed = await self._run(system, seconds + self._connecting_seconds)
            tps, latency = _TPS.search(printed), _LATENCY.search(printed)
            if tps and latency:
                return Reached(float(tps[1]), float(latency[1]))
            self._connecting_seconds *= 2
        raise LauncherError(f"pgbench said nothing that can be read:\n{printed[-2000:]}")

    async def _run(self, system: str, seconds: float) -> str:
        with resources.as_file(resources.files("valerix.bench") / "ceiling" / SCRIPTS[system]) as script:
            command = [
                *(str(self._pgbench), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1"),
                *("-T", f"{seconds:.0f}", "-f", str(script)),
            ]
            return await programs.run(command, seconds + GRACE_SECONDS, self._environment)
