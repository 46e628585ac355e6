"""Where the output of processes goes: a file each, replaced when it grows, and the terminal in the foreground."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO

LIMIT_BYTES = 10 * 1024 * 1024
KEPT = 3
"""Former files kept beside the current one, `orders.log.1` the latest."""
POLL_SECONDS = 0.2
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


def file_of(data_dir: Path, name: str) -> Path:
    return data_dir / "logs" / f"{name}.log"


def rotate(file: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Whether `file` was over the limit and has been set aside."""
    if not file.exists() or file.stat().st_size < limit_bytes:
        return False
    for number in range(KEPT, 0, -1):
        former = file if number == 1 else _former(file, number - 1)
        if former.exists():
            former.replace(_former(file, number))
    return True


def _former(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")


class LogFile:
    """Appends; sets the file aside before it would exceed the limit."""

    def __init__(self, file: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._file = file
        self._limit = limit_bytes
        file.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, output: bytes) -> None:
        if self._stream.tell() + len(output) > self._limit:
            self._stream.close()
            rotate(self._file, limit_bytes=1)
            self._open()
        self._stream.write(output)

    def close(self) -> None:
        self._stream.close()

    def _open(self) -> None:
        self._stream = self._file.open("ab", buffering=0)


class Terminal:
    """Whole lines, each after the name of the process that wrote it."""

    def __init__(self, names: list[str], stream: TextIO = sys.stdout) -> None:
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
        self._stream.write(f"{prefix} {text}\n")
        self._stream.flush()


class Output:
    """The launcher's own words, and the files (and terminal) for what its processes say."""

    LAUNCHER = "launcher"

    def __init__(self, data_dir: Path, terminal: Terminal | None) -> None:
        self._data_dir = data_dir
        self._terminal = terminal
        self._files: dict[str, LogFile] = {}

    def write(self, name: str, output: bytes) -> None:
        if name not in self._files:
            self._files[name] = LogFile(file_of(self._data_dir, name))
        self._files[name].write(output)
        if self._terminal:
            self._terminal.write(name, output)

    def say(self, text: str) -> None:
        stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.write(self.LAUNCHER, f"{stamp} {text}\n".encode())

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def last_lines(file: Path, count: int) -> list[str]:
    """Empty when there is no such file."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return [line.rstrip("\n") for line in deque(stream, count)]
    except FileNotFoundError:
        return []


def follow(files: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """(name, output) as it is written, for ever, across replaced files."""
    offsets = {name: _size(file) for name, file in files.items()}
    inodes = {name: _inode(file) for name, file in files.items()}
    while True:
        for name, file in files.items():
            if _inode(file) != inodes[name]:
                offsets[name], inodes[name] = 0, _inode(file)
            if output := _read_from(file, offsets[name]):
                offsets[name] += len(output)
                yield name, output
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
