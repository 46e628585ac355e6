"""Comparison programs, measured in the same run: each is an order and an inventory service in Node.

The folder given with --peers holds `node-classic` and `node-tuned`. Each has `order.js` (POST
/orders), `inventory.js` and a package.json; DATABASE_URL, PORT and INVENTORY_URL configure the
programs. `node-classic` also has `schema_orders.sql` and `schema_inventory.sql`.
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from valerix.bench import programs
from valerix.bench.results import CLASSIC, TUNED
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import free_port, is_free

NAMES: Final = (CLASSIC, TUNED)
DATABASES: Final = {"orders": "peer_orders", "inventory": "peer_inventory"}
INSTALL_SECONDS: Final = 300.0
START_SECONDS: Final = 30.0
CACHE: Final = Path.home() / ".cache" / "valerix" / "peers"


@dataclass(frozen=True)
class PeerProgram:
    """A running comparison program. `port`: of its order service. `pids`: by process name."""

    name: str
    port: int
    pids: dict[str, int]


async def installed(folder: Path) -> dict[str, Path]:
    """Copy each program and install its packages; return the copies by name.

    Raises LauncherError.
    """
    programs.get("node")
    npm = programs.get("npm")
    found = {}
    for name in NAMES:
        source = folder / name
        if not (source / "package.json").exists():
            raise LauncherError(
                f"{source} has no package.json: --peers names a folder with {' and '.join(NAMES)}"
            )
        version = hashlib.sha256((source / "package.json").read_bytes()).hexdigest()[:16]
        copy = CACHE / f"{name}-{version}"
        shutil.copytree(
            source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules")
        )
        marker = copy / "installed"
        if not marker.exists():
            await programs.run(
                [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(copy)],
                INSTALL_SECONDS,
            )
            marker.touch()
        found[name] = copy
    return found


@asynccontextmanager
async def running(
    folders: dict[str, Path], superuser_url: str
) -> AsyncIterator[dict[str, PeerProgram]]:
    """Run all programs until the block ends, each with databases of its own on the same server."""
    schemas = {part: (folders[CLASSIC] / f"schema_{part}.sql").read_text() for part in DATABASES}
    async with AsyncExitStack() as stack:
        peers = {}
        for name, folder in folders.items():
            databases = {
                part: f"{database}_{name.replace('-', '_')}" for part, database in DATABASES.items()
            }
            for part, database in databases.items():
                await _make(superuser_url, database, schemas[part])
            urls = {
                part: superuser_url.rpartition("/")[0] + f"/{database}"
                for part, database in databases.items()
            }
            inventory, inventory_pid = await stack.enter_async_context(
                _program(folder, "inventory.js", urls["inventory"])
            )
            order, order_pid = await stack.enter_async_context(
                _program(folder, "order.js", urls["orders"], f"http://127.0.0.1:{inventory}")
            )
            peers[name] = PeerProgram(
                name, order, {f"{name}: order": order_pid, f"{name}: inventory": inventory_pid}
            )
        yield peers


async def _make(superuser_url: str, database: str, schema: str) -> None:
    server = await asyncpg.connect(superuser_url)
    try:
        await server.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {database}")
    finally:
        await server.close()
    made = await asyncpg.connect(superuser_url, database=database)
    try:
        await made.execute(schema)
        await made.execute("VACUUM ANALYZE")
    finally:
        await made.close()


@asynccontextmanager
async def _program(
    folder: Path, script: str, database_url: str, inventory_url: str = ""
) -> AsyncIterator[tuple[int, int]]:
    """Run a script until the block ends; yield its port and process number."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(programs.get("node"), script),
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "NODE_ENV": "production",
            "PORT": str(port),
            "DATABASE_URL": database_url,
            "INVENTORY_URL": inventory_url,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await _listens(process, port, f"{folder.name}/{script}")
        yield port, process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(process: asyncio.subprocess.Process, port: int, name: str) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            # The port is taken by another program, which sets no event.
            while is_free(port) and process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise LauncherError(f"{name} did not listen within {START_SECONDS:.0f} s") from None
    if process.returncode is not None:
        assert process.stderr is not None  # noqa: S101 - requested as a pipe above
        raise LauncherError(
            f"{name} ended: {(await process.stderr.read()).decode(errors='replace')[-1000:]}"
        )
