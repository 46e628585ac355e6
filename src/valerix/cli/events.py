"""`bus replay`: publishes events again that the bus has lost."""

import asyncio
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import asyncpg
import msgspec
import typer

from valerix.audit.replay import OutboxStalled, Queued, replay
from valerix.audit.snapshot import HORIZON, Period
from valerix.audit.sources import of_stack
from valerix.cli.installation import data_dir_option, running_stack
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import moment, print_json
from valerix.contracts.events import TOPICS
from valerix.launcher.errors import LauncherError
from valerix.launcher.state import StackState
from valerix.launcher.terminal import say

NAMES: Final = "|".join(TOPICS)
PROGRESS_SECONDS: Final = 2.0
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO: Final = re.compile(r"([0-9]{1,9})([smhd])")


class ReplaySummary(msgspec.Struct, frozen=True, rename="camel"):
    """Document of `bus replay --json`: how many events of each topic were queued."""

    since: datetime
    until: datetime
    events: dict[str, int]


def parse_time(text: str) -> datetime:
    """Read a time with its zone, or an age such as `90m`. Raises typer.BadParameter."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither a time as 2026-01-31T14:00:00Z nor how long ago: 90m"
        ) from None
    if at.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no zone: add Z for UTC, or +01:00")
    return at


def _known(names: list[str] | None) -> list[str] | None:
    if unknown := set(names or ()) - set(TOPICS):
        raise typer.BadParameter(f"{unknown.pop()!r} is none of {', '.join(TOPICS)}")
    return names


def replay_events(
    data_dir: DataDir,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Start: 2026-01-31T14:00:00Z, or how long ago: 90m, 24h, 7d."
        ),
    ],
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="End, in the same form; default now.")
    ] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            metavar=NAMES, help="Topic to replay; repeatable. Default: all.", callback=_known
        ),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Publish events of a running stack again.

    Each takes effect once: an event processed before changes nothing.

    Use it for a bus that has lost its data. It is safe to interrupt at any moment, and to repeat.
    """
    period = Period(parse_time(since), parse_time(until) if until else datetime.now(UTC))
    if period.until <= period.since:
        raise typer.BadParameter("There is no time between --since and --until")
    state = running_stack(data_dir)
    counts = _replay(state, period, topic or [*TOPICS])
    if as_json:
        print_json(ReplaySummary(*period, counts))
        return
    counted = ", ".join(f"{count:,} of {name}" for name, count in counts.items()) or "none"
    say(f"Events since {moment(period.since)} that are published again: {counted}.")
    advice = (
        f"Next: `./valerix audit{data_dir_option(state.data_dir)}` "
        "checks whether every event has had its effects"
    )
    judged = datetime.now(UTC) - period.since <= HORIZON + timedelta(hours=1)
    say(
        f"{advice}."
        if judged
        else f"{advice} in the last day. Messages about older occasions are not sent."
    )


def _replay(state: StackState, period: Period, topics: list[str]) -> dict[str, int]:
    try:
        return asyncio.run(_count(state, period, topics))
    except OutboxStalled as error:
        words = f"status{data_dir_option(state.data_dir)}"
        raise LauncherError(
            f"{error}. Queued events are published once the bus accepts them: "
            f"see `./valerix {words}`, then repeat this command"
        ) from None
    except (OSError, asyncpg.PostgresError) as error:
        raise LauncherError(
            f"The databases cannot be reached: {error}. It is safe to repeat the command"
        ) from None


async def _count(state: StackState, period: Period, topics: list[str]) -> dict[str, int]:
    """Replay the events and return their numbers by topic.

    Print progress on stderr every few seconds.
    """
    latest: dict[tuple[str, str], Queued] = {}
    reported_at = time.monotonic()
    async for queued in replay(of_stack(state).databases, period, topics):
        latest[queued.topic, queued.service] = queued
        if time.monotonic() - reported_at > PROGRESS_SECONDS:
            reported_at = time.monotonic()
            say(
                f"{queued.topic}: {queued.events:,} events of {queued.service} so far",
                file=sys.stderr,
                flush=True,
            )
    counts: dict[str, int] = {}
    for queued in latest.values():
        counts[queued.topic] = counts.get(queued.topic, 0) + queued.events
    return counts
