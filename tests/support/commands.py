"""The product's commands, each in a process of its own that need not import everything anew."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from multiprocessing.context import ForkServerContext
from pathlib import Path

TIMEOUT_SECONDS = 60
MODULE = "valerix.cli.main"


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What `valerix WORDS` writes and how it exits, with nothing but PATH and `environment` in its environment."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _server().Process(target=_command, args=(words, environment, out, err))
        process.start()
        process.join(TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def _server() -> ForkServerContext:
    """Forks processes that have the program in memory."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([MODULE, "pytest"])  # what ran the tests is imported by each process, too
    return context


def _command(words: tuple[str, ...], environment: dict[str, str], out: Path, err: Path) -> None:
    os.environ.update(environment)
    for name in set(os.environ) - {"PATH", *environment}:
        del os.environ[name]
    for file, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = ["valerix", *words]
    sys.modules[MODULE].main()
