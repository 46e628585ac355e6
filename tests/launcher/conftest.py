"""A folder whose path has a space and which PostgreSQL's account may enter; patience with a bound."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "root_only: about what root alone meets; not collected for anybody else")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid() != 0:
        items[:] = [item for item in items if item.get_closest_marker("root_only") is None]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="valerix test "))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def without_privileges() -> dict[str, Any]:
    """Options for subprocess that make us an ordinary user, where we are not one already."""
    return {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}


def eventually(condition: Callable[[], object], what: str, patience_seconds: float = 90.0) -> None:
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience_seconds:.0f} s: {what}"
        time.sleep(0.02)
