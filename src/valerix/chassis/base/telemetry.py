"""Logs, trace ids and metrics of a process.

Log text is constant, data goes in fields. No personal data, no secrets.
"""

import logging
import random
import re
import sys
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, BinaryIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")
trace_id: ContextVar[str] = ContextVar("trace_id", default="")
"""W3C trace id of the current work; empty outside a request."""


def new_trace_id() -> str:
    """A random W3C trace id."""
    return f"{random.getrandbits(128):032x}"


def parse_traceparent(header: str | None) -> str | None:
    """The trace id of a W3C `traceparent` header; None when it is absent or malformed."""
    match = TRACEPARENT.match(header) if header else None
    return match[1] if match and match[1] != "0" * 32 else None


def traceparent(trace: str) -> str:
    """The header that carries a trace to the next service.

    Not sampled: the exporter decides which spans it exports.
    """
    return f"00-{trace}-{random.getrandbits(64):016x}-00"


def configure_logging(service: str, instance: str, level: str) -> None:
    """Writes JSON lines to stdout, for the events of the service and of its libraries."""

    def stamp(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        line: EventDict = {
            "timestamp": event.pop("timestamp"),
            "level": method,
            "service": service,
            "instance": instance,
            "trace_id": event.pop("trace_id", None) or trace_id.get(),
            "message": event.pop("event", ""),
        }
        line.update(event)
        return line

    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            stamp,
            _leave_rows_out,
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, LogStream(sys.stdout.buffer))),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[_Forward()], force=True)


class LogStream:
    """Writes whole lines to a stream.

    A line that the stream refuses - the disk is full - is lost: no work fails for a log line.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, lines: bytes) -> None:
        with suppress(OSError):
            self._stream.write(lines)
            self._stream.flush()

    def flush(self) -> None:
        """Called by loggers. Does nothing: `write` flushes each line itself."""


def _leave_rows_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Removes the row that PostgreSQL adds to some errors: it contains names and addresses."""
    given = event.get("exc_info")
    error = (
        given[1]
        if isinstance(given, tuple)
        else given
        if isinstance(given, Exception)
        else sys.exc_info()[1]
    )
    seen: set[int] = set()
    while given and error is not None and id(error) not in seen:
        seen.add(id(error))
        if hasattr(error, "sqlstate"):
            error.detail = None  # type: ignore[union-attr]  # only chassis.postgres knows its class
        error = error.__cause__ or error.__context__
    return event


def _render(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


class _Forward(logging.Handler):
    """Writes the lines of libraries, which log through the standard module, in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        structlog.get_logger().log(record.levelno, record.getMessage(), **fields)
