"""The log lines of the processes, for stacks that keep them all in one folder (embedded stacks).

Other installations use a log store.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import msgspec

from valerix.chassis.base.problems import Invalid

PATH: Final = "/console/api/logs"
"""Path of the log itself; requests to it are not shown in the log."""
Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: Final[tuple[str, ...]] = get_args(Level)
MAX_BYTES: Final = 2 * 1024 * 1024
"""Read at most, from the end of each file."""
MAX_LINES: Final = 500
MAX_LINE_BYTES: Final = 16 * 1024
Place = tuple[int, int]
"""Inode and offset: the file may have been replaced by a new one."""
_HIDDEN_FILES = frozenset({"launcher", "access"})
_decoder = msgspec.json.Decoder(dict[str, Any])
_OWN = frozenset({"timestamp", "level", "service", "instance", "trace_id", "message"})


class LogLine(msgspec.Struct, frozen=True, rename="camel"):
    """One line of a log.

    `at`: the offset of its end in its file, so that no line is shown twice.
    """

    file: str
    at: int
    timestamp: str
    level: str
    service: str
    trace_id: str
    message: str
    fields: dict[str, Any]


OWN_PROCESS: Final = "console"
"""Every page that is opened requests about thirty files from it, so its own requests are hidden."""


class Wanted(NamedTuple):
    """Filter of lines: lowest level, process, trace, text, and whether requests are shown.

    Requests to the console itself are shown only if `console` is set, or if its lines or a trace
    are requested.
    """

    level: str = LEVELS[0]
    file: str = ""
    trace_id: str = ""
    text: str = ""
    requests: bool = True
    console: bool = False


class LogPage(msgspec.Struct, frozen=True, rename="camel"):
    lines: list[LogLine]
    """Oldest first."""
    position: str
    """Pass it back to get the lines written since."""
    files: list[str]


def read(folder: Path, wanted: Wanted, position: str) -> LogPage:
    """The latest lines, or the lines after `position`. Blocking.

    Raises Invalid for a position that no answer contained.
    """
    since = _places(position)
    found: list[LogLine] = []
    now: dict[str, Place] = {}
    names = sorted(file.stem for file in folder.glob("*.log") if file.stem not in _HIDDEN_FILES)
    for name in names:
        lines, now[name] = _tail(folder / f"{name}.log", since.get(name))
        if wanted.file in ("", name):
            found += [
                line
                for line in (_line(name, at, raw, wanted) for at, raw in lines)
                if line is not None
            ]
    found.sort(key=lambda line: line.timestamp)
    return LogPage(
        found[-MAX_LINES:], ",".join(f"{name}:{i}:{at}" for name, (i, at) in now.items()), names
    )


def _places(position: str) -> dict[str, Place]:
    try:
        parts = [part.split(":") for part in position.split(",") if part]
        return {name: (int(inode), int(offset)) for name, inode, offset in parts}
    except ValueError:
        raise Invalid("Send the position of an earlier answer, or none") from None


def _tail(file: Path, since: Place | None) -> tuple[list[tuple[int, bytes]], Place]:
    """Complete lines with the offsets of their ends, and the place to continue from."""
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        continued = since is not None and since[0] == status.st_ino and since[1] <= status.st_size
        start = max(since[1] if since is not None and continued else 0, status.st_size - MAX_BYTES)
        stream.seek(start)
        content = stream.read(MAX_BYTES)
    complete, _, _ = content.rpartition(b"\n")
    lines = list(_ends(complete, start)) if complete else []
    if not continued and start:
        lines = lines[1:]  # the first line is incomplete
    return lines, (status.st_ino, start + len(complete) + bool(complete))


def _ends(content: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    for raw in content.split(b"\n"):
        start += len(raw) + 1
        yield start, raw


def _line(name: str, at: int, raw: bytes, wanted: Wanted) -> LogLine | None:
    if wanted.trace_id and wanted.trace_id.encode() not in raw:
        return None
    if len(raw) > MAX_LINE_BYTES:
        raw = raw[:MAX_LINE_BYTES]
    try:
        entry = _decoder.decode(raw)
    except msgspec.MsgspecError:
        entry = {"message": raw.decode(errors="replace"), "level": "info"}
    line = LogLine(
        file=name,
        at=at,
        timestamp=str(entry.get("timestamp", "")),
        level=str(entry.get("level", "info")).lower(),
        service=str(entry.get("service", name)),
        trace_id=str(entry.get("trace_id", "")),
        message=str(entry.get("message", "")),
        fields={key: value for key, value in entry.items() if key not in _OWN},
    )
    return line if _is_wanted(line, raw, wanted) else None


def _is_wanted(line: LogLine, raw: bytes, wanted: Wanted) -> bool:
    severity = LEVELS.index(line.level) if line.level in LEVELS else LEVELS.index("error")
    if severity < LEVELS.index(wanted.level):
        return False
    if line.message == "request" and not _is_wanted_request(line, wanted):
        return False
    return wanted.text.lower().encode() in raw.lower()


def _is_wanted_request(line: LogLine, wanted: Wanted) -> bool:
    if line.service == OWN_PROCESS and not (wanted.console or wanted.trace_id or wanted.file):
        return False
    return wanted.requests and line.fields.get("endpoint") != PATH
