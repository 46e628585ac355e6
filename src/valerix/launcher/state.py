"""The state of a stack: `run/state.json`, replaced in full at each change, and a lock beside it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from valerix.launcher.errors import LauncherError
from valerix.launcher.processes import Identity


class Phase(StrEnum):
    """The phase of a stack, from its start to its end."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Status(StrEnum):
    """The status of one process."""

    WAITING = "waiting"
    """The programs it needs are not ready yet."""
    STARTING = "starting"
    """It runs, but has not been healthy yet."""
    RUNNING = "running"
    RESTARTING = "restarting"
    """It ended by itself; the next attempt follows after a pause."""
    STOPPED = "stopped"


class ProcessState(msgspec.Struct, rename="camel"):
    """One process, as the state file describes it."""

    name: str
    port: int
    status: Status = Status.WAITING
    healthy: bool = False
    identity: Identity | None = None
    restarts: int = 0
    started_at: datetime | None = None
    startup_seconds: float | None = None
    """From start to first healthy answer."""
    last_exit: int | None = None
    """Exit status of the previous run; negative for a signal."""


class StackState(msgspec.Struct, rename="camel"):
    """The content of the state file."""

    launcher: Identity
    data_dir: Path
    phase: Phase
    ports: dict[str, int]
    """By process name, including processes that do not run."""
    replicas: dict[str, int]
    demo: bool
    gateway_host: str = "127.0.0.1"
    processes: dict[str, ProcessState] = {}
    error: str = ""
    failed_process: str = ""
    notices: list[str] = []
    tls: bool = False
    """Whether the gateway speaks HTTPS."""
    ca_file: str = ""
    """File of the authority to trust; empty unless the gateway's certificate was generated here."""
    ready_seconds: float | None = None
    reloads: int = 0
    """How often a reload of the gateway's configuration and certificate was requested …"""
    reload_error: str = ""
    """… and why the last reload failed; empty if it succeeded."""

    @property
    def is_alive(self) -> bool:
        return self.launcher.is_alive()

    def identities(self) -> list[Identity]:
        return [process.identity for process in self.processes.values() if process.identity]


def read_state(data_dir: Path) -> StackState | None:
    """Return the stored state; None if no stack was ever started in `data_dir`.

    Raises LauncherError.
    """
    try:
        return msgspec.json.decode(
            _file(data_dir).read_bytes(), type=StackState, dec_hook=_decode_path
        )
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise LauncherError(f"{_file(data_dir)} was not written by this version: {error}") from None


def write_state(state: StackState) -> None:
    """Replace the state file. Raises OSError."""
    file = _file(state.data_dir)
    building = file.with_suffix(".new")
    building.write_bytes(msgspec.json.format(msgspec.json.encode(state, enc_hook=str)))
    building.rename(file)


@contextmanager
def only_launcher(data_dir: Path) -> Iterator[None]:
    """Hold the data directory's lock for a launcher's lifetime.

    Raises LauncherError if another has it. The kernel releases the lock however the launcher ends.
    """
    folder = data_dir / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.pread(descriptor, 20, 0).decode()
        raise LauncherError(
            f"Another launcher (process {other}) uses {data_dir}: "
            "`./valerix status` shows its stack, `./valerix down` stops it, "
            "and --data-dir names another folder for a second stack"
        ) from None
    else:
        with suppress(OSError):  # on a full disk the lock is held all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _file(data_dir: Path) -> Path:
    return data_dir / "run" / "state.json"


def _decode_path(_: type, text: str) -> Path:
    return Path(text)
