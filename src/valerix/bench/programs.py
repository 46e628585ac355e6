"""Finds the programs that the benchmark needs and the product does not include."""

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from valerix.launcher.errors import LauncherError

PACKAGES: Final = {"wrk": "wrk", "node": "nodejs", "npm": "npm"}
"""Debian's package of each program."""


def find(program: str) -> str | None:
    """Return the program's path; None if it is not installed."""
    return shutil.which(program)


def get(program: str) -> str:
    """Return the program's path. Raises LauncherError that says how to install it."""
    found = find(program)
    if found is None:
        raise LauncherError(
            f"{program} is not installed: "
            f"apt install {PACKAGES[program]} (or what your system calls it)"
        )
    return found


def get_py_spy() -> str:
    """Return the path of py-spy, beside this interpreter or on the PATH. Raises LauncherError."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise LauncherError(f"py-spy is not installed: {sys.executable} -m pip install py-spy")
    return found


async def run(
    command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command and return its output.

    Raises LauncherError if it fails or takes longer than `seconds`.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise LauncherError(f"{command[0]} did not end within {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = printed.decode(errors="replace")
    if process.returncode:
        raise LauncherError(f"{command[0]} failed ({process.returncode}): {text[-2000:].strip()}")
    return text
