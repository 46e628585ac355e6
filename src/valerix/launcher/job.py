"""The caller's side of preparing the databases: a process to start early and to wait for later."""

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
    """The accounts and products to add to new databases."""

    NOTHING = "nothing"
    ADMINISTRATOR = "administrator"
    DEMO = "demo"


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """A request to update the databases of a data directory, on the server at a local port."""

    data_dir: Path
    port: int
    seed: Seed


class PreparationFailed(LauncherError):
    """The databases could not be prepared for the services; the job's own output says why."""


@asynccontextmanager
async def started(job: Job) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the process, which loads its code and then waits for `finish`.

    The process is killed at the end of the block if it still runs.
    """
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
    """Let the started process do its work, and wait for its end. Raises PreparationFailed."""
    printed, _ = await process.communicate(b"go\n")
    output(printed)
    if process.returncode:
        raise PreparationFailed("The databases could not be prepared")
