"""Ends the stacks that a test process leaves behind when it is killed: nothing of a test run outlives it.

A process of its own hears of every data directory through a pipe; when the pipe ends, so did the test process, and it
tells the launchers that still run to stop.
"""

import contextlib
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from valerix.launcher.state import read_state


def watch(data_dir: Path) -> None:
    """From now on, the stack in `data_dir` ends with this process."""
    pipe = _reaper().stdin
    assert pipe is not None
    pipe.write(f"{data_dir}\n".encode())
    pipe.flush()


def close() -> None:
    """What still runs ends now."""
    if _reaper.cache_info().currsize:
        _reaper().communicate(timeout=30)


@cache
def _reaper() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.reaper"]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, start_new_session=True)


def reap(data_dirs: set[Path]) -> None:
    """Tell the launchers that run there to stop."""
    for data_dir in data_dirs:
        state = read_state(data_dir)
        if state is not None and state.launcher.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.launcher.pid, signal.SIGTERM)


if __name__ == "__main__":
    reap({Path(line.rstrip("\n")) for line in sys.stdin})
