"""A service process before it serves requests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")
NICEST = 19
GIVE_WAY = """
import os, pathlib
from valerix.chassis.http.server import AUTOGROUP, give_way
give_way(7)
print(os.nice(0), AUTOGROUP.read_text() if AUTOGROUP.exists() else "")
"""


@pytest.mark.parametrize("own_session", [True, False], ids=["own", "borrowed"])
def test_a_process_gives_way_with_its_session_if_that_is_its_own(own_session: bool) -> None:
    command = [sys.executable, "-W", "ignore", "-c", GIVE_WAY]
    printed = subprocess.run(
        command, start_new_session=own_session, capture_output=True, text=True, check=True
    ).stdout
    niceness, _, group = printed.strip().partition(" ")
    assert int(niceness) == min(os.nice(0) + 7, NICEST)
    if own_session and group:
        assert group.split()[-1] == "7"
    else:
        assert group.strip() == (AUTOGROUP.read_text().strip() if AUTOGROUP.exists() else "")
