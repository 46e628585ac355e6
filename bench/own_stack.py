"""A stack to measure that nobody else uses."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.stack import Stack


@contextmanager
def own_stack(**settings: str) -> Iterator[Stack]:
    """New, on free ports, and gone afterwards. `settings`: `VALERIX_…` variables by field name."""
    folder = Path(tempfile.mkdtemp(prefix="valerix bench "))
    folder.chmod(0o711)
    stack = Stack(folder, **settings)
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(folder)
