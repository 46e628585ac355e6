"""Resources that belong to one worker of pytest-xdist, so that parallel workers do not conflict."""

import itertools
import os
import random

from valerix.launcher.ports import ANY, is_free

NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
COUNT = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WIDTH = len(ANY) // COUNT
PORTS = ANY[WIDTH * NUMBER : WIDTH * (NUMBER + 1)]
# Every stack that a test starts takes its ports from this range, too (launcher.settings).
os.environ["VALERIX_AUTO_PORTS"] = f"{PORTS[0]}-{PORTS[-1]}"

_start = random.randrange(WIDTH)  # noqa: S311 - another test run may be under way on this machine
_in_turn = itertools.cycle([*PORTS[_start:], *PORTS[:_start]])


def free_port() -> int:
    """Returns a free port; a port is reused only after all other ports of the range."""
    port: int = next(port for port in _in_turn if is_free(port))
    return port
