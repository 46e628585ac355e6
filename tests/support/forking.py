"""Forks services from a process that has loaded their code: loading it is most of a service's
start-up cost. See `Forker`.
"""

import gc
import importlib
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from threading import Lock, current_thread, main_thread
from typing import Final, NoReturn

import msgspec

from tests.support.quick_hashes import quick_hashes
from valerix.cli.serve import serve
from valerix.launcher.processes import STOP_AT_ONCE, Identity, dies_with_launcher
from valerix.launcher.terminal import say
from valerix.launcher.topology import SERVICES

TESTS: Final = Path(__file__).parents[2]


class Order(msgspec.Struct):
    """A service to start, its complete environment, and the file to which its output is
    appended.
    """

    name: str
    environment: dict[str, str]
    log: str
    quick_hashes: bool


class Forker:
    """A process with the code in `source` loaded. Its forks end with it, and it ends with the test
    process.
    """

    def __init__(self, source: Path) -> None:
        # The kernel tracks the forking thread (PDEATHSIG): a thread that ends would kill its
        # services.
        in_main_thread = current_thread() is main_thread()
        self._lock = Lock()
        dies = dies_with_launcher(STOP_AT_ONCE) if in_main_thread else None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{source}{os.pathsep}{TESTS}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=dies,  # noqa: PLW1509 - takes no lock
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the children
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
    """Turns this process into a service, as if the service had been started directly."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, stream in enumerate((nothing, log, log)):
            os.dup2(stream, descriptor)
        os.environ.clear()
        os.environ.update(order.environment)
        with quick_hashes() if order.quick_hashes else nullcontext():
            status = serve(order.name)
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    gc.disable()  # as in a service that starts
    main()
