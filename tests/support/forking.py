"""Forks services from a process that has loaded their code: most of what it costs to start one. See `Forker`."""

import gc
import importlib
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from threading import Lock, current_thread, main_thread
from typing import Final, NoReturn

import msgspec

from valerix.cli.serve import serve
from valerix.launcher.processes import STOP_AT_ONCE, Identity, dies_with_launcher
from valerix.launcher.terminal import say
from valerix.launcher.topology import SERVICES

TESTS: Final = Path(__file__).parents[2]


class Order(msgspec.Struct):
    """A service, all of its environment, and the file that its output is added to."""

    name: str
    environment: dict[str, str]
    log: str


class Forker:
    """The code in `source`, loaded. What it forks ends with it, and it ends with the process that tests."""

    def __init__(self, source: Path) -> None:
        # The kernel goes by the thread that forks: one that ends would take the services along.
        in_main_thread = current_thread() is main_thread()
        self._lock = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{source}{os.pathsep}{TESTS}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=dies_with_launcher(STOP_AT_ONCE) if in_main_thread else None,  # noqa: PLW1509 - no lock
        )

    def fork(self, order: Order) -> Identity:
        orders, numbers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert numbers is not None
        with self._lock:
            orders.write(msgspec.json.encode(order) + b"\n")
            orders.flush()
            return Identity.of(int(numbers.readline()))


@cache
def forker_of(source: Path) -> Forker:
    return Forker(source)


def main() -> None:
    for service in SERVICES:
        importlib.import_module(service.module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        bind = dies_with_launcher(STOP_AT_ONCE)
        pid = os.fork()
        if pid == 0:
            if bind is not None:
                bind()
            _become(order)
        say(pid, flush=True)


def _become(order: Order) -> NoReturn:
    """As if it were started alone."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, stream in enumerate((nothing, log, log)):
            os.dup2(stream, descriptor)
        os.environ.clear()
        os.environ.update(order.environment)
        status = serve(order.name)
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    gc.disable()  # as it is in a service that starts
    main()
