"""One stack for all system tests that do not stop it; two replicas of orders and inventory, because races need two."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.stack import Stack, own_stack

UNLIMITED = dict.fromkeys(
    ("guesses_here", "guesses_per_address", "guesses_per_account", "registrations_per_address"), "0"
)
"""Settings with which tests may sign in as often as they like."""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data directory with a space in its path, reachable by the account PostgreSQL runs as."""
    yield from temporary()


def temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="valerix test "))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    yield from started("--replicas", "inventory=2", "--replicas", "orders=2")


@pytest.fixture(scope="module")
def attacked() -> Iterator[Stack]:
    """Another one for tests that leave behind what nobody can add up: reservations and charges without orders."""
    yield from started(chaos="disabled", **UNLIMITED)


def started(*options: str, **settings: str) -> Iterator[Stack]:
    """Its orders stay confirmed; tests/system/test_events.py goes on."""
    with own_stack(*options, dwell_seconds="3600", **settings) as stack:
        yield stack
