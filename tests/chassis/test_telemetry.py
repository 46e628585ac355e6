"""What a log line has, and what it never has."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import asyncpg
import pytest
import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.postgres.database import Database

ADDRESS = "ada@valerix.example"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """What a process that logs writes to its standard output."""
    output, root = io.BytesIO(), logging.getLogger()
    handlers, level = [*root.handlers], root.level
    stdout = io.TextIOWrapper(output)  # which closes what it wraps when it is forgotten
    monkeypatch.setattr(sys, "stdout", stdout)
    telemetry.configure_logging("test", "test", "info")
    yield output
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_the_row_of_a_failed_statement_is_left_out(written: io.BytesIO, database_url: Callable[..., str]) -> None:
    async with Database.open(database_url(), 1) as database, database.connection() as lane:
        await lane.execute("CREATE TEMPORARY TABLE people (email text CHECK (email = ''))")
        with pytest.raises(asyncpg.CheckViolationError, match=ADDRESS) as failure:
            await lane.execute("INSERT INTO people VALUES ($1)", ADDRESS)
    above = RuntimeError("something went wrong")
    above.__cause__ = failure.value
    structlog.get_logger().error("failed", exc_info=above)
    line = json.loads(written.getvalue())
    assert "CheckViolationError" in line["exception"]
    assert ADDRESS not in str(line)
