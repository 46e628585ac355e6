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
CONNECTING_SECONDS: Final = 1.0
"""Of its time pgbench spends some on connecting, which it leaves out of what it reports."""
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
        with resources.as_file(resources.files("valerix.bench") / "ceiling" / SCRIPTS[system]) as script:
            command = [
                *(str(self._pgbench), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1"),
                *("-T", f"{seconds + CONNECTING_SECONDS:.0f}", "-f", str(script)),
            ]
            printed = await programs.run(command, seconds + GRACE_SECONDS, self._environment)
        tps, latency = _TPS.search(printed), _LATENCY.search(printed)
        if tps is None or latency is None:
            raise LauncherError(f"pgbench said nothing that can be read:\n{printed[-2000:]}")
        return Reached(float(tps[1]), float(latency[1]))
