"""The provider's ledger: an append-only file of JSON lines.

It is the independent truth about charges.
"""

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
"""One disk block, without a line break.

The rest of it that a crash leaves is cut off at the next start.
"""


class LedgerCorrupt(Exception):
    """An acknowledged line cannot be read or is missing.

    The file needs repair by a person; until then nothing is served.
    """


class LedgerInUse(Exception):
    """Another process has the ledger open: two writers would charge twice."""


class Ledger:
    """The open ledger file, with `lines` lines.

    Its methods block, and only one writer may call them at a time.
    """

    def __init__(self, descriptor: int, lines: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self.lines = lines

    @classmethod
    @contextmanager
    def open(cls, file: Path, replay: Callable[[LedgerLine], None]) -> Iterator[Self]:
        """Pass every line to `replay`, cut off a half-written last line, and append from there.

        A crash can leave a half-written line. Raises LedgerCorrupt, LedgerInUse.
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
        """Write all entries and return when they are on disk: one write, one fsync.

        Raises OSError; then none of the entries counts.
        """
        now = datetime.now(UTC)
        lines = [
            _encode(_line(number, now, entry))
            for number, entry in enumerate(entries, self.lines + 1)
        ]
        block = b"\n".join(lines) + b"\n"
        self._write(block)
        self._size += len(block)
        self.lines += len(lines)

    def check(self) -> None:
        """Write and remove a trial block. Raises OSError while there is no space for more lines."""
        self._write(bytes(TRIAL_BYTES))
        self._cut()

    def _write(self, block: bytes) -> None:
        self._cut()  # in case an earlier attempt failed to do so
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
        """Remove everything after the last line that counts."""
        if os.fstat(self._descriptor).st_size > self._size:
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)


def _line(seq: int, at: datetime, entry: Entry) -> LedgerLine:
    if isinstance(entry, LedgerRefund):
        return LedgerLine(seq, at, refund=entry)
    # The number of captures of a reference is counted from the lines, so no line states it.
    return LedgerLine(seq, at, charge=msgspec.structs.replace(entry, captures=0, refunded_minor=0))


def _lock(descriptor: int, file: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LedgerInUse(f"{file} is open in another process; stop it first") from None


def _read(descriptor: int, file: Path, replay: Callable[[LedgerLine], None]) -> int:
    """Return the number of complete lines.

    An incomplete last line was never acknowledged and is cut off.
    """
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
            # Reported like every other fault.
            raise ValueError(f"its number is {line.seq}")  # noqa: TRY301
        replay(line)
    except (ValueError, LookupError) as error:
        raise LedgerCorrupt(
            f"{file}: line {number} is damaged ({error}); restore the file from a backup"
        ) from None


def _sync_folder(folder: Path) -> None:
    """Sync the folder: a new file is durable only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
