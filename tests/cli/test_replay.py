"""`bus replay`: the arguments it refuses.

Its effects are tested in tests/audit and tests/system.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from tests.support.commands import run
from valerix.cli.events import parse_time


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--since", "yesterday"), "neither a time as 2026-01-31T14:00:00Z nor how long ago"),
        (("--since", "99999999d"), "neither a time as 2026-01-31T14:00:00Z nor how long ago"),
        (("--since", "2026-01-31T14:00:00"), "has no zone"),
        (("--since", "1h", "--until", "2h"), "no time between"),
        (
            ("--since", "1h", "--topic", "weather"),
            "none of orders, inventory, payments, users, acts",
        ),
        ((), "--since"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], expected: str) -> None:
    done = run("bus", "replay", *words)
    assert done.returncode == 2
    assert expected in " ".join(done.stderr.replace("│", "").split())


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = run("bus", "replay", "--since", "1h", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"`./valerix up --data-dir {tmp_path}`" in done.stderr


def test_times_are_moments_or_how_long_ago() -> None:
    assert parse_time("2026-01-31T14:00:00+01:00") == datetime(2026, 1, 31, 13, tzinfo=UTC)
    for text, ago in (
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
    ):
        before = datetime.now(UTC)
        assert before <= parse_time(text) + ago <= datetime.now(UTC)
    with pytest.raises(typer.BadParameter):
        parse_time("-1h")
