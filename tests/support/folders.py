"""Folders of test servers: in memory if there is space, and removed with the test process, however
it ends.
"""

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
"""Bytes that all servers of a test run need, with a large margin. Containers often have less shared
memory.
"""


def _place() -> Path | None:
    """Returns the folder in memory, or None for the default of temporary files. A database in
    memory takes a fifth of the time to create.
    """
    spacious = (
        MEMORY.is_dir()
        and os.access(MEMORY, os.W_OK)
        and shutil.disk_usage(MEMORY).free >= SPACE_BYTES
    )
    return MEMORY if spacious else None


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Creates a folder with a space in its path, accessible to the account that PostgreSQL runs
    as.
    """
    folder = Path(tempfile.mkdtemp(prefix="valerix test ", dir=_place()))
    reaper.watch(folder)
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
