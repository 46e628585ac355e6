"""A small file system that a test fills and empties again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.folders import empty_folder

CHUNK_BYTES = 1024 * 1024


@contextmanager
def mounted(size_bytes: int, inodes: int = 0) -> Iterator[Path]:
    """Mounts a file system in memory of this size on a new folder; skips the test if it cannot be
    mounted.
    """
    with empty_folder() as folder:
        if not _mount(
            folder, f"size={size_bytes},mode=755" + (f",nr_inodes={inodes}" if inodes else "")
        ):
            pytest.skip("no file system may be mounted here")
        try:
            yield folder
        finally:
            unmount(folder)


def may_mount() -> bool:
    with TemporaryDirectory() as folder:
        mounts = _mount(Path(folder), "size=4k")
        if mounts:
            unmount(Path(folder))
        return mounts


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "valerix-test", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def unmount(folder: Path) -> None:
    """Detach it immediately; it disappears when the last process has closed its files."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path, *, inodes: bool = False) -> Iterator[None]:
    """Fills the file system to the last byte; with `inodes`, there is no space for a further file,
    even an empty one.
    """
    filling = [folder / "filling"]
    fill(filling[0])
    if inodes:
        with suppress(OSError):
            while True:
                filling.append(folder / f"filling-{len(filling)}")
                filling[-1].touch()
    try:
        yield
    finally:
        for file in filling:
            file.unlink(missing_ok=True)


def fill(file: Path) -> None:
    """Write to `file` until the file system is full, down to the last byte."""
    with file.open("ab", buffering=0) as stream:
        size = CHUNK_BYTES
        while size:
            try:
                os.write(stream.fileno(), bytes(size))
            except OSError:
                size //= 2
