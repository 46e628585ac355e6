"""What tests on whole stacks share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data directory with a space in its path, reachable by the account PostgreSQL runs as."""
    yield from temporary()


def temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="valerix test "))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
