"""A folder with a space that PostgreSQL's account may enter; an unprivileged user; a small disk."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.disks import mounted


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="valerix test "))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def without_privileges() -> dict[str, Any]:
    """Options for subprocess that run it as an ordinary user, if the tests run as root."""
    return {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system with space for a few small files."""
    with mounted(256 * 1024, inodes=16) as folder:
        yield folder
