"""Ends what a test process leaves behind when it is killed: nothing of a test run outlives it.

A process of its own hears of every folder through a pipe. When the pipe ends, so did the test process: launchers that
still run there are told to stop, and the folders are removed.
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
    """From now on, the folder and a stack whose data it holds end with this process."""
    pipe = _reaper().stdin
    assert pipe is not None
    pipe.write(f"{folder}\n".encode())
    pipe.flush()


def close() -> None:
    """What is still there ends now."""
    if _reaper.cache_info().currsize:
        _reaper().communicate(timeout=2 * STOP_SECONDS)


@cache
def _reaper() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.reaper"]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, start_new_session=True)


def reap(folders: set[Path]) -> None:
    """Stop the launchers that run there, and remove what is there."""
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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with what it watches
    reap({Path(line.rstrip("\n")) for line in sys.stdin})
