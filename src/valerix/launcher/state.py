"""What a data directory says about its stack: `run/state.json`, replaced as a whole at each change, and a lock."""

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
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Status(StrEnum):
    WAITING = "waiting"
    """For what it needs."""
    STARTING = "starting"
    """Runs, but was never healthy yet."""
    RUNNING = "running"
    RESTARTING = "restarting"
    """Ended by itself; the next attempt comes after a pause."""
    STOPPED = "stopped"


class ProcessState(msgspec.Struct, rename="camel"):
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
    launcher: Identity
    data_dir: Path
    phase: Phase
    ports: dict[str, int]
    """By process name, also of what is not running."""
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
    """What to trust, where the gateway's certificate was made here."""
    ready_seconds: float | None = None
    reloads: int = 0
    """How often the gateway was told to take up its configuration and certificate anew …"""
    reload_error: str = ""
    """… and why the last time had no effect."""

    @property
    def is_alive(self) -> bool:
        return self.launcher.is_alive()

    def identities(self) -> list[Identity]:
        return [process.identity for process in self.processes.values() if process.identity]


def read_state(data_dir: Path) -> StackState | None:
    """None when nothing was ever started there."""
    try:
        return msgspec.json.decode(_file(data_dir).read_bytes(), type=StackState, dec_hook=_decode_path)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise LauncherError(f"{_file(data_dir)} was not written by this version: {error}") from None


def write_state(state: StackState) -> None:
    file = _file(state.data_dir)
    building = file.with_suffix(".new")
    building.write_bytes(msgspec.json.format(msgspec.json.encode(state, enc_hook=str)))
    building.rename(file)


@contextmanager
def only_launcher(data_dir: Path) -> Iterator[None]:
    """Held for a launcher's lifetime; the kernel lets go of it however the launcher ends."""
    folder = data_dir / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.pread(descriptor, 20, 0).decode()
        raise LauncherError(
            f"Another launcher (process {other}) uses {data_dir}: `./valerix status` shows its stack, `./valerix down`"
            " stops it, and --data-dir names another place for a second one"
        ) from None
    else:
        with suppress(OSError):  # on a full disk it is held all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _file(data_dir: Path) -> Path:
    return data_dir / "run" / "state.json"


def _decode_path(_: type, text: str) -> Path:
    return Path(text)
