"""Runs the product's commands, each in a separate process with the modules already imported."""

import fcntl
import multiprocessing
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from multiprocessing.context import ForkServerContext
from pathlib import Path

from valerix.launcher.terminal import safe

TIMEOUT_SECONDS = 60
MODULE = "valerix.cli.main"


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Returns the output and exit code of `valerix WORDS`; only PATH and `environment` are in its
    environment.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _server().Process(target=_command, args=(words, environment, out, err))
        process.start()
        process.join(TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(
            words, process.exitcode, out.read_text(), err.read_text()
        )


def run_on_terminal(
    *words: str, typed: str = "", columns: int = 80, **environment: str
) -> tuple[int, list[str]]:
    """Returns the exit code of `valerix WORDS` at a terminal, and the lines it shows, without
    colours. `typed`: input.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TERM": "xterm",
            **environment,
        },
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        shown = b"".join(iter(lambda: _read(terminal.fileno()), b""))
    return process.wait(TIMEOUT_SECONDS), safe(shown.decode()).splitlines()


def _read(terminal: int) -> bytes:
    """Reads the output; empty once the command has ended, which Linux reports as an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def _server() -> ForkServerContext:
    """Returns the server that forks processes with the program already in memory."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [MODULE, "pytest"]
    )  # each process imports the main module of the test run, too
    return context


def _command(words: tuple[str, ...], environment: dict[str, str], out: Path, err: Path) -> None:
    os.environ.update(environment)
    for name in set(os.environ) - {"PATH", *environment}:
        del os.environ[name]
    for file, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = ["valerix", *words]
    sys.modules[MODULE].main()
