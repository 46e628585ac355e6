"""Removes the stacks and folders of a killed test process: nothing of a test run outlives it.

A separate process receives the name of every folder through a pipe. The end of the pipe means that
the test process has ended: launchers that still run there get a signal to stop, and the folders are
removed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from valerix.launcher.processes import Identity
from valerix.launcher.state import read_state

STOP_SECONDS = 60.0


def watch(folder: Path) -> None:
    """Register a folder: it, and a stack with its data there, end with this process."""
    pipe = _reaper().stdin
    assert pipe is not None
    pipe.write(f"{folder}\n".encode())
    pipe.flush()


def close() -> None:
    """Stop and remove everything registered, now."""
    if _reaper.cache_info().currsize:
        _reaper().communicate(timeout=2 * STOP_SECONDS)


@cache
def _reaper() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.reaper"]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, start_new_session=True
    )


def reap(folders: set[Path]) -> None:
    """Stop the launchers that run in the folders, and remove the folders."""
    launchers = [state.launcher for folder in folders if (state := read_state(folder)) is not None]
    for launcher in launchers:
        if launcher.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(launcher.pid, signal.SIGTERM)
    _wait_for(launchers)
    for folder in folders:
        if folder.is_mount():
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(launchers: list[Identity]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while any(launcher.is_alive() for launcher in launchers) and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # this process ends with the one that it watches
    reap({Path(line.rstrip("\n")) for line in sys.stdin})
