"""Preparing the databases, as its caller sees it: a process to start early and to wait for."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

import msgspec

from valerix.launcher.errors import LauncherError
from valerix.launcher.processes import STOP_AT_ONCE, dies_with_launcher

NAME = "databases"


class Seed(StrEnum):
    NOTHING = "nothing"
    ADMINISTRATOR = "administrator"
    DEMO = "demo"


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """Bring the databases of a data directory up to date, on the server at a local port."""

    data_dir: Path
    port: int
    seed: Seed


class PreparationFailed(LauncherError):
    """The databases are not as the services need them; the job's own output says why."""


@asynccontextmanager
async def started(job: Job) -> AsyncIterator[asyncio.subprocess.Process]:
    """It loads its code, then waits for `finish`; without one it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "valerix.launcher.databases"),
        msgspec.json.encode(job, enc_hook=str).decode(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=dies_with_launcher(STOP_AT_ONCE),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def finish(process: asyncio.subprocess.Process, output: Callable[[bytes], None]) -> None:
    """Let it work, and wait for it. Raises PreparationFailed."""
    said, _ = await process.communicate(b"go\n")
    output(said)
    if process.returncode:
        raise PreparationFailed("The databases could not be prepared")
