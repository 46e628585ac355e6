"""Controls a stack from outside its launcher: start it in the background, wait for it, stop it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from valerix.chassis.base.settings import inherited
from valerix.launcher import processes
from valerix.launcher.errors import LauncherError
from valerix.launcher.logs import file_of, last_lines, rotate
from valerix.launcher.private import open_appending, own_folder
from valerix.launcher.processes import Identity
from valerix.launcher.programs import Plan
from valerix.launcher.state import Phase, StackState, read_state

POLL_SECONDS = 0.05
START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 120.0
LEFTOVER_TIMEOUT_SECONDS = 10.0
RELOAD_TIMEOUT_SECONDS = 10.0
LEAST_FREE_BYTES = 32 << 20
"""PostgreSQL writes its log in files of 16 MiB."""


def running(data_dir: Path) -> StackState | None:
    """Return the state of the stack in `data_dir`; None unless its launcher is alive."""
    state = read_state(data_dir)
    return state if state and state.is_alive else None


def become_launcher(plan: Plan) -> NoReturn:
    """Replace this process with the launcher, which keeps the terminal until Ctrl-C."""
    sys.stdout.flush()
    command = [*_command(plan), "--foreground"]
    os.execve(sys.executable, command, inherited())  # noqa: S606 - our own module


def _command(plan: Plan) -> list[str]:
    return [
        sys.executable,
        "-P",
        "-m",
        "valerix.launcher",
        msgspec.json.encode(plan, enc_hook=str).decode(),
    ]


def start_in_background(plan: Plan, progress: Callable[[StackState], None]) -> StackState:
    """Return when the stack is ready.

    Raises LauncherError with the reason and the last lines of output if it cannot start.
    """
    stray = file_of(plan.data_dir, "launcher-errors")
    own_folder(stray.parent)
    rotate(stray)
    before = stray.stat().st_size if stray.exists() else 0
    with open_appending(stray) as output:
        launcher = subprocess.Popen(  # noqa: S603 - our own module
            _command(plan),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=inherited(),
        )
    state = _settled(plan.data_dir, launcher, progress)
    if state is None:
        raise LauncherError(_last_words(stray, before))
    if state.phase is not Phase.READY:
        raise LauncherError(explain_failure(state))
    return state


def _last_words(file: Path, before: int) -> str:
    """Return the output of a launcher that left no state: the end of `file`, from `before` on."""
    words = file.read_bytes()[before:].decode(errors="replace").strip()
    return "\n".join(
        [words or "The launcher ended without recording why", *_short_of_space(file.parent)]
    )


def _short_of_space(folder: Path) -> list[str]:
    """Say what to do if a full disk is the likely reason of a failure."""
    free = shutil.disk_usage(folder).free
    if free > LEAST_FREE_BYTES:
        return []
    return [f"The disk of {folder} has {free // 1024} KiB left: make space there and start again"]


def _settled(
    data_dir: Path, launcher: "subprocess.Popen[bytes]", progress: Callable[[StackState], None]
) -> StackState | None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        ended = launcher.poll() is not None
        state = read_state(data_dir)
        ours = state if state and state.launcher.pid == launcher.pid else None
        if ours:
            progress(ours)
        if ended or (ours and ours.phase is Phase.READY):
            return ours
        time.sleep(POLL_SECONDS)
    raise LauncherError(
        f"The stack was not ready within {START_TIMEOUT_SECONDS:.0f} s: see `valerix status`"
    )


def explain_failure(state: StackState) -> str:
    """Return why the stack did not start, with the last lines of the process that failed."""
    if state.error:
        lines = [f"The stack did not start: {state.error}"]
    elif state.phase is Phase.STARTING:
        lines = ["The stack did not start: its launcher ended without recording why"]
    else:
        lines = ["The stack was stopped while starting"]
    lines += _short_of_space(state.data_dir)
    if state.failed_process:
        file = file_of(state.data_dir, state.failed_process)
        lines.append(f"Last lines of {file}:")
        lines += [f"  {_shorten(line)}" for line in last_lines(file, 15)]
    return "\n".join(lines)


def _shorten(line: str, length: int = 300) -> str:
    return line if len(line) <= length else f"{line[:length]} …"


def stop(data_dir: Path, progress: Callable[[StackState], None]) -> bool:
    """Stop the stack and return when no process of it runs any more; False if none did.

    Raises LauncherError if the launcher does not end within two minutes.
    """
    state = read_state(data_dir)
    if state is None:
        return False
    if not state.is_alive:
        return bool(processes.end(state.identities(), LEFTOVER_TIMEOUT_SECONDS))
    _signal(state.launcher)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while state.is_alive:
        if time.monotonic() > deadline:
            raise LauncherError(
                f"The launcher (process {state.launcher.pid}) did not stop within two minutes"
            )
        time.sleep(POLL_SECONDS)
        progress(read_state(data_dir) or state)
    return True


def reload_gateway(data_dir: Path) -> None:
    """Make the gateway load its configuration and certificate again.

    Raises LauncherError with the reason if the gateway keeps the former ones.
    """
    state = running(data_dir)
    if state is None:
        raise LauncherError(f"No stack runs in {data_dir}: `./valerix up` starts one")
    _signal(state.launcher, signal.SIGUSR1)
    deadline = time.monotonic() + RELOAD_TIMEOUT_SECONDS
    while (now := read_state(data_dir) or state).reloads == state.reloads:
        if time.monotonic() > deadline:
            raise LauncherError("The launcher did not answer: see `valerix logs launcher`")
        time.sleep(POLL_SECONDS)
    if now.reload_error:
        raise LauncherError(f"The gateway keeps its former configuration: {now.reload_error}")


def _signal(launcher: Identity, sent: signal.Signals = signal.SIGTERM) -> None:
    try:
        os.kill(launcher.pid, sent)
    except ProcessLookupError:
        return
    except PermissionError:
        raise LauncherError(
            "The stack belongs to another user: run the command as that user"
        ) from None
