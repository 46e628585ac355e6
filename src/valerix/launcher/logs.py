"""Where the output of processes goes: a file each, cut when it grows, and the terminal in the foreground.

Processes write into their files themselves: passing it on through pipes cost the launcher as much as an order's stock.
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
"""Former files kept beside the current one, `orders.log.1` the latest."""
POLL_SECONDS = 0.2
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


def file_of(data_dir: Path, name: str) -> Path:
    return data_dir / "logs" / f"{name}.log"


def rotate(file: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Whether `file` was over the limit and has been set aside."""
    if _size(file) < max(limit_bytes, 1):
        return False
    _age(file)
    file.replace(_former(file, 1))
    return True


def cut(file: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """The same for a file that is appended to for as long as a process runs: copied, then emptied.

    What is written between the two is lost. Raises OSError without space for the copy, and changes nothing then.
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
    """Whole lines, each after the name of the process that wrote it."""

    def __init__(self, names: list[str], stream: TextIO = sys.stdout) -> None:
        self.names = names
        self._stream = stream
        self._width = max(map(len, names))
        self._colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)} if stream.isatty() else {}
        self._unfinished: dict[str, bytes] = {}

    def write(self, name: str, output: bytes) -> None:
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
    """The launcher's own words, and the files (and terminal) for what its processes say.

    What cannot be written - the disk is full - is lost: processes matter more than what they say.
    """

    LAUNCHER = "launcher"

    def __init__(self, data_dir: Path, terminal: Terminal | None) -> None:
        self._data_dir = data_dir
        self._terminal = terminal
        names = terminal.names if terminal else []
        self._following = Following({name: file_of(data_dir, name) for name in names})
        own_folder(file_of(data_dir, self.LAUNCHER).parent)

    def open(self, name: str) -> BinaryIO:
        """For appending: several may have it open."""
        try:
            return open_appending(file_of(self._data_dir, name))
        except OSError:
            return open_appending(Path(os.devnull))

    def write(self, name: str, output: bytes) -> None:
        with suppress(OSError), self.open(name) as file:
            file.write(output)

    def say(self, text: str) -> None:
        stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.write(self.LAUNCHER, f"{stamp} {text}\n".encode())

    def show(self) -> None:
        """On the terminal, what was written since the last time. It may be a file on a full disk, or gone."""
        if self._terminal:
            for name, output in self._following.read():
                with suppress(OSError):
                    self._terminal.write(name, output)

    def cut(self, names: Iterable[str]) -> None:
        """Keep the files within their limit."""
        for name in names:
            with suppress(OSError):
                cut(file_of(self._data_dir, name))


def last_lines(file: Path, count: int) -> list[str]:
    """Empty when there is no such file."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return [line.rstrip("\n") for line in deque(stream, count)]
    except FileNotFoundError:
        return []


class Following:
    """What is appended to files from now on, across files that are cut or replaced."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._offsets = {name: _size(file) for name, file in files.items()}
        self._inodes = {name: _inode(file) for name, file in files.items()}

    def read(self) -> Iterator[tuple[str, bytes]]:
        """(name, output) of those that grew."""
        for name, file in self._files.items():
            if _inode(file) != self._inodes[name] or _size(file) < self._offsets[name]:
                self._offsets[name], self._inodes[name] = 0, _inode(file)
            if output := _read_from(file, self._offsets[name]):
                self._offsets[name] += len(output)
                yield name, output


def follow(files: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """(name, output) as it is written, for ever."""
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
