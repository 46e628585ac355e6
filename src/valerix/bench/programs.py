"""Programs the benchmark needs that are no part of the product, and which package brings them."""

import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from valerix.launcher.errors import LauncherError

PACKAGES: Final = {"wrk": "wrk", "node": "nodejs", "npm": "npm"}
"""Debian's, by program."""


def find(program: str) -> str | None:
    """Its path; None when it is not installed."""
    return shutil.which(program)


def get(program: str) -> str:
    """Raises LauncherError that says how to get it."""
    found = find(program)
    if found is None:
        raise LauncherError(
            f"{program} is not installed: apt install {PACKAGES[program]} (or what your system calls it)"
        )
    return found


def get_py_spy() -> str:
    """Beside this interpreter or on the PATH. Raises LauncherError."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise LauncherError(f"py-spy is not installed: {sys.executable} -m pip install py-spy")
    return found


async def run(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> str:
    """What it printed. Raises LauncherError when it fails or takes longer than `seconds`."""
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
