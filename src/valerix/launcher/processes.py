"""Operating system processes: identity, liveness, memory, and how they end with their launcher."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

STOP_AT_ONCE = signal.SIGKILL
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded before any fork: after it, the child must not load libraries


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """A process number with its start time. The number alone is not unique: the kernel reuses
    it.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """Return the identity of process `pid`; it is not alive if there is no such process."""
        return cls(pid, start_time(pid) or "")

    def is_alive(self) -> bool:
        return bool(self.started) and start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """Return when the kernel started `pid`, in the kernel's own notation.

    None if there is no such process, or only its zombie.
    """
    if sys.platform != "linux":
        command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
        done = subprocess.run(  # noqa: S603 - a number
            command, capture_output=True, text=True, check=False
        )
        return done.stdout.strip() or None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The first thread may have ended before the others, which still hold what the process has open.
    ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if ended else fields[19]


def end(leftovers: Iterable[Identity], timeout_seconds: float) -> list[int]:
    """Terminate the processes, then kill those still alive after the timeout.

    Returns the process numbers that were alive. Each identity is checked again before each signal.
    """
    alive = [one for one in leftovers if one.is_alive()]
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for one in alive:
            _signal(one, sent)
        deadline = time.monotonic() + timeout_seconds
        while any(one.is_alive() for one in alive) and time.monotonic() < deadline:
            time.sleep(0.02)
    return [one.pid for one in alive]


def _signal(one: Identity, sent: signal.Signals) -> None:
    if one.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, sent)


def dies_with_launcher(sent: signal.Signals) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes the kernel send `sent` to the child when its launcher ends.

    The kernel sends it when the thread that forked ends, so fork from the main thread. The function
    runs after a change of user, which would clear the setting. Only Linux supports this.
    """
    if sys.platform != "linux":
        return None
    launcher = os.getpid()

    def bind() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(sent))
        if os.getppid() != launcher:  # the launcher died before the line above
            os._exit(1)

    return bind


def memory_bytes(pid: int) -> int | None:
    """Return the memory of one process, with its share of shared pages.

    None if the kernel has no figure. This is the proportional set size (PSS), so sums over
    processes are what they really take. Resident sizes count the shared interpreter, libraries and
    buffers once for each process.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def family_bytes(pid: int) -> int | None:
    """Return the memory of a process and its descendants; None if the kernel has no figure."""
    own = memory_bytes(pid)
    return None if own is None else own + sum(family_bytes(child) or 0 for child in _children(pid))


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []
