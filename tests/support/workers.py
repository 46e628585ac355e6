"""Tests side by side: what belongs to one worker of pytest-xdist, so that none takes what another has."""

import itertools
import os
import random

from valerix.launcher.ports import ANY, is_free

NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
COUNT = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WIDTH = len(ANY) // COUNT
PORTS = ANY[WIDTH * NUMBER : WIDTH * (NUMBER + 1)]
# Every stack that a test starts takes its ports from here, too (launcher.settings).
os.environ["VALERIX_AUTO_PORTS"] = f"{PORTS[0]}-{PORTS[-1]}"

_start = random.randrange(WIDTH)  # noqa: S311 - another test run may be under way on this machine
_in_turn = itertools.cycle([*PORTS[_start:], *PORTS[:_start]])


def free_port() -> int:
    """One that is free and that was not handed out while there were others."""
    port: int = next(port for port in _in_turn if is_free(port))
    return port
