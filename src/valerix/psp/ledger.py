"""The provider's ledger: an append-only file of JSON lines, the independent truth about charges."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec
import structlog

from valerix.psp.book import Entry
from valerix.psp.schemas import LedgerLine, LedgerRefund

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LedgerLine).decode
TRIAL_BYTES = 4096
"""A block. Without a line break: what a crash leaves of it is cut off at the next start."""


class LedgerCorrupt(Exception):
    """A line that was acknowledged cannot be read or is missing. The file needs a person; nothing is served."""


class LedgerInUse(Exception):
    """Another process has the ledger open: two writers would charge twice."""


class Ledger:
    """Blocking; one writer at a time. `lines` is how many there are."""

    def __init__(self, descriptor: int, lines: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self.lines = lines

    @classmethod
    @contextmanager
    def open(cls, file: Path, replay: Callable[[LedgerLine], None]) -> Iterator[Self]:
        """Hand every line to `replay`, cut off what a crash left half-written, and append from there.

        Raises LedgerCorrupt, LedgerInUse.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, file)
            lines = _read(descriptor, file, replay)
            _sync_folder(file.parent)
            yield cls(descriptor, lines)
        finally:
            os.close(descriptor)

    def append(self, entries: Iterable[Entry]) -> None:
        """Write all entries and return when they are on disk: one write, one fsync. OSError: none counts."""
        now = datetime.now(UTC)
        lines = [_encode(_line(number, now, entry)) for number, entry in enumerate(entries, self.lines + 1)]
        block = b"\n".join(lines) + b"\n"
        self._write(block)
        self._size += len(block)
        self.lines += len(lines)

    def check(self) -> None:
        """Raises OSError while there is no space for further lines."""
        self._write(bytes(TRIAL_BYTES))
        self._cut()

    def _write(self, block: bytes) -> None:
        self._cut()  # if a former attempt could not even do that
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            with suppress(OSError):
                self._cut()
            raise

    def _cut(self) -> None:
        """Take away what is behind the last line that counts."""
        if os.fstat(self._descriptor).st_size > self._size:
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)


def _line(seq: int, at: datetime, entry: Entry) -> LedgerLine:
    if isinstance(entry, LedgerRefund):
        return LedgerLine(seq, at, refund=entry)
    # How often a reference was captured is counted from the lines, so no line may claim it.
    return LedgerLine(seq, at, charge=msgspec.structs.replace(entry, captures=0, refunded_minor=0))


def _lock(descriptor: int, file: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LedgerInUse(f"{file} is open in another process; stop it first") from None


def _read(descriptor: int, file: Path, replay: Callable[[LedgerLine], None]) -> int:
    """The number of whole lines; an incomplete last one was never acknowledged and is cut off."""
    lines = size = 0
    with os.fdopen(os.dup(descriptor), "rb") as reader:
        for raw in reader:
            if not raw.endswith(b"\n"):
                log.warning("half-written ledger line cut off", line=lines + 1, bytes=len(raw))
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
                break
            _replay(raw, lines + 1, file, replay)
            lines += 1
            size += len(raw)
    return lines


def _replay(raw: bytes, number: int, file: Path, replay: Callable[[LedgerLine], None]) -> None:
    try:
        line = _decode(raw)
        if line.seq != number:
            raise ValueError(f"it says it is line {line.seq}")  # noqa: TRY301 - told like every other fault
        replay(line)
    except (ValueError, LookupError) as error:
        raise LedgerCorrupt(f"{file}: line {number} is damaged ({error}); restore the file from a backup") from None


def _sync_folder(folder: Path) -> None:
    """A new file is durable only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
