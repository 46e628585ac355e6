"""Runs one service: `python -m valerix.cli.serve orders`; settings are `VALERIX_…` variables.

SIGTERM drains first: `/ready` answers 503 for `drain_seconds` while requests are still served.
SIGINT and SIGUSR1 skip the drain; SIGUSR1 also ends a process that is still loading, without a
message. Exit status: 0 after a signal, 2 for wrong settings, 3 if the service could not start.
"""

import gc
import importlib
import sys

if __name__ == "__main__":
    gc.disable()  # until start-up is over: nearly all objects made during it stay alive
    # structlog would load rich, 4 MiB in each process, to colour output that goes to log files
    sys.modules["rich"] = None  # type: ignore[assignment]

from valerix.chassis.base import settings
from valerix.chassis.http import server
from valerix.launcher.terminal import say
from valerix.launcher.topology import SERVICES

WRONG_SETTINGS, NOT_STARTED = 2, 3


def serve(name: str) -> int:
    """Run the service until a signal ends it; return the exit status."""
    module = importlib.import_module({process.name: process.module for process in SERVICES}[name])
    try:
        loaded = settings.load(module.Settings)
    except settings.SettingsError as error:
        say(f"{name}: {error}", file=sys.stderr)
        return WRONG_SETTINGS
    server.give_way(loaded.niceness)
    return 0 if server.run(module.create(loaded)) else NOT_STARTED


def main() -> None:
    names = [process.name for process in SERVICES]
    if len(sys.argv) != 2 or sys.argv[1] not in names:
        say(f"Name one service: {', '.join(names)}", file=sys.stderr)
        sys.exit(WRONG_SETTINGS)
    sys.exit(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
