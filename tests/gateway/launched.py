"""Starts a gateway as the launcher does, and waits to be killed: `python -m tests.gateway.launched
NAME FOLDER`.
"""

import sys
import threading
from pathlib import Path

from tests.gateway.front import prepared
from tests.support.eventually import until_blocking
from valerix.launcher.settings import GatewayName

if __name__ == "__main__":
    with prepared(GatewayName(sys.argv[1]), Path(sys.argv[2])) as front:
        front.start()
        until_blocking(front.answers, "the gateway answers")
        sys.stdout.write(f"{front.process.pid}\n")
        sys.stdout.flush()
        threading.Event().wait()
