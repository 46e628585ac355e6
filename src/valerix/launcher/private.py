"""Writes files that only their owner may read: secrets, logs, the gateway's configuration."""

import contextlib
import os
import stat
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700
OTHERS = 0o077


def own_folder(folder: Path) -> Path:
    """Create `folder` if it is missing; remove other users' access to it and all it contains.

    Earlier versions left files readable by others.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for found in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # one that was about to be renamed
            mode = found.lstat().st_mode
            if mode & OTHERS and not stat.S_ISLNK(mode):
                found.chmod(stat.S_IMODE(mode) & FOLDER_MODE)
    return folder


def open_appending(file: Path) -> BinaryIO:
    """Open `file` for appending, unbuffered, so that several processes may write to it."""
    return open(file, "ab", buffering=0, opener=lambda path, flags: os.open(path, flags, FILE_MODE))


def write_private(file: Path, content: bytes) -> None:
    """Replace `file`, all or nothing.

    The content is on disk (fsync) before the file is replaced.
    """
    building = file.with_suffix(".new")
    building.unlink(missing_ok=True)
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    building.rename(file)
