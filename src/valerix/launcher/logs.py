"""Output of the processes: a log file each, cut when it grows, and the terminal in the foreground.

Processes write into their files themselves. Forwarding their output through pipes cost the launcher
as much time as reserving an order's stock.
"""

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from valerix.launcher.private import open_appending, own_folder
from valerix.launcher.terminal import safe

LIMIT_BYTES = 10 * 1024 * 1024
KEPT = 3
"""Number of former files kept beside the current one; `orders.log.1` is the latest."""
POLL_SECONDS = 0.2
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


def file_of(data_dir: Path, name: str) -> Path:
    """Return the log file of process `name`."""
    return data_dir / "logs" / f"{name}.log"


def rotate(file: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Set `file` aside if it is over the limit; return whether it was."""
    if _size(file) < max(limit_bytes, 1):
        return False
    _age(file)
    file.replace(_former(file, 1))
    return True


def cut(file: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Rotate a file that a running process keeps open for appending: copy it, then empty it.

    Output written between the copy and the emptying is lost. Raises OSError, and changes nothing,
    if there is no space for the copy.
    """
    if _size(file) < max(limit_bytes, 1):
        return False
    copy = file.with_name(f"{file.name}.new")
    try:
        shutil.copy(file, copy)  # with its mode
    except OSError:
        copy.unlink(missing_ok=True)
        raise
    _age(file)
    copy.replace(_former(file, 1))
    os.truncate(file, 0)
    return True


def _age(file: Path) -> None:
    for number in range(KEPT, 1, -1):
        former = _former(file, number - 1)
        if former.exists():
            former.replace(_former(file, number))


def _former(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")


class Terminal:
    """Prints complete lines, each prefixed with the name of the process that wrote it."""

    def __init__(self, names: list[str], stream: TextIO = sys.stdout) -> None:
        self.names = names
        self._stream = stream
        self._width = max(map(len, names))
        self._colours = (
            {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
            if stream.isatty()
            else {}
        )
        self._unfinished: dict[str, bytes] = {}

    def write(self, name: str, output: bytes) -> None:
        """Print the complete lines of the output; keep the rest for the next call."""
        *lines, self._unfinished[name] = (self._unfinished.get(name, b"") + output).split(b"\n")
        for line in lines:
            self.line(name, line.decode(errors="replace"))

    def line(self, name: str, text: str) -> None:
        prefix = f"{name:<{self._width}} |"
        if name in self._colours:
            prefix = f"\033[{self._colours[name]}m{prefix}\033[0m"
        self._stream.write(f"{prefix} {safe(text)}\n")
        self._stream.flush()


class Output:
    """The launcher's own log, and the files (and terminal) for the output of its processes.

    Output that cannot be written (the disk is full) is lost: running processes matter more than
    logs.
    """

    LAUNCHER = "launcher"

    def __init__(self, data_dir: Path, terminal: Terminal | None) -> None:
        self._data_dir = data_dir
        self._terminal = terminal
        names = terminal.names if terminal else []
        self._following = Following({name: file_of(data_dir, name) for name in names})
        own_folder(file_of(data_dir, self.LAUNCHER).parent)

    def open(self, name: str) -> BinaryIO:
        """Open the log of process `name` for appending; several processes may have it open."""
        try:
            return open_appending(file_of(self._data_dir, name))
        except OSError:
            return open_appending(Path(os.devnull))

    def write(self, name: str, output: bytes) -> None:
        """Append to the log of process `name`; output that cannot be written is lost."""
        with suppress(OSError), self.open(name) as file:
            file.write(output)

    def say(self, text: str) -> None:
        """Write a line with a time stamp to the launcher's own log."""
        stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.write(self.LAUNCHER, f"{stamp} {text}\n".encode())

    def show(self) -> None:
        """Print on the terminal what was written since the last call.

        Errors are ignored: the terminal may be a file on a full disk, or closed.
        """
        if self._terminal:
            for name, output in self._following.read():
                with suppress(OSError):
                    self._terminal.write(name, output)

    def cut(self, names: Iterable[str]) -> None:
        """Keep the log files of these processes within their size limit."""
        for name in names:
            with suppress(OSError):
                cut(file_of(self._data_dir, name))


def last_lines(file: Path, count: int) -> list[str]:
    """Return the last `count` lines; none if there is no such file."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return [line.rstrip("\n") for line in deque(stream, count)]
    except FileNotFoundError:
        return []


class Following:
    """Reads what is appended to files from now on, also across files that are cut or replaced."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._offsets = {name: _size(file) for name, file in files.items()}
        self._inodes = {name: _inode(file) for name, file in files.items()}

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Yield (name, output) for each file that grew."""
        for name, file in self._files.items():
            if _inode(file) != self._inodes[name] or _size(file) < self._offsets[name]:
                self._offsets[name], self._inodes[name] = 0, _inode(file)
            if output := _read_from(file, self._offsets[name]):
                self._offsets[name] += len(output)
                yield name, output


def follow(files: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, output) as it is written, forever."""
    following = Following(files)
    while True:
        yield from following.read()
        time.sleep(POLL_SECONDS)


def _read_from(file: Path, offset: int) -> bytes:
    try:
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(1024 * 1024)
    except FileNotFoundError:
        return b""


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _inode(file: Path) -> int:
    return file.stat().st_ino if file.exists() else 0
