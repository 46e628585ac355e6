"""Log lines: their contents, and the data that they never contain."""

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.http import edge
from valerix.chassis.postgres.database import Database

ADDRESS = "ada@valerix.example"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """The standard output of a process that logs."""
    output = io.BytesIO()
    stdout = io.TextIOWrapper(output)  # closes the wrapped stream when it is garbage-collected
    monkeypatch.setattr(sys, "stdout", stdout)
    with configured():
        yield output


@contextmanager
def configured() -> Iterator[None]:
    """Logging as in a service, to the current standard output."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    telemetry.configure_logging("test", "test", "info")
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)


async def test_the_row_of_a_failed_statement_is_left_out(
    written: io.BytesIO, database_url: Callable[..., str]
) -> None:
    async with Database.open(database_url(), 1) as database, database.connection() as connection:
        await connection.execute("CREATE TEMPORARY TABLE people (email text CHECK (email = ''))")
        with pytest.raises(asyncpg.CheckViolationError, match=ADDRESS) as failure:
            await connection.execute("INSERT INTO people VALUES ($1)", ADDRESS)
    above = RuntimeError("something went wrong")
    above.__cause__ = failure.value
    structlog.get_logger().error("failed", exc_info=above)
    line = json.loads(written.getvalue())
    assert "CheckViolationError" in line["exception"]
    assert ADDRESS not in str(line)


@contextmanager
def full_disk(log: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Path]]:
    """A standard output that refuses all writes until the yielded function is called.

    From then on it is the file `log`.
    """
    with Path("/dev/full").open("w") as stdout, log.open("w") as file:

        def make_space() -> Path:
            os.dup2(file.fileno(), stdout.fileno())
            return log

        monkeypatch.setattr(sys, "stdout", stdout)
        with configured():
            yield make_space


async def test_a_full_disk_loses_lines_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> None:
        structlog.get_logger().info("of our own")
        logging.getLogger("library").warning("of a library")
        edge.record("test", "GET", "/api/v1/orders", 200, 0.0, "1" * 32)
        edge.write_lines()

    with full_disk(tmp_path / "log", monkeypatch) as make_space:
        for _ in range(200):
            write()
        log = make_space()
        write()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["message"] for line in lines[-3:]] == ["of our own", "of a library", "request"]
