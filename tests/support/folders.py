"""Folders of test servers: in memory where there is space, and gone with the test process, however it ends."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support import reaper

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - folders in it are made by mkdtemp
SPACE_BYTES: Final = 4 << 30
"""Bytes that all servers of a test run need, with much to spare. Containers often have less."""


def _place() -> Path | None:
    """None: wherever temporary files go. Making a database costs a fifth in memory."""
    spacious = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= SPACE_BYTES
    return MEMORY if spacious else None


@contextmanager
def empty_folder() -> Iterator[Path]:
    """With a space in its path, and reachable by the account PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="valerix test ", dir=_place()))
    reaper.watch(folder)
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
