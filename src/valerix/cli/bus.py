"""`bus`: commands for events that could not be processed, and for events that were lost."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import msgspec
import typer

from valerix.cli.default_command import DefaultCommand
from valerix.cli.events import replay_events
from valerix.cli.failures import explain
from valerix.cli.installation import Installation
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import console, moment, print_json, table
from valerix.cli.session import Token, Url, find, talk
from valerix.client import Valerix
from valerix.client.calls import CONSUMERS
from valerix.client.errors import Conflict, NoAnswer, NotFound, ServerFailed
from valerix.client.models import DeadLetter, DeadLetterView
from valerix.launcher.terminal import say

NAMES: Final = "|".join(CONSUMERS)


class ListByDefault(DefaultCommand):
    """Makes `dead-letters`, also with a service or `--all`, mean `dead-letters list …`."""

    default = "list"


app = typer.Typer(help="Repair the delivery of events between services.", no_args_is_help=True)
letters = typer.Typer(
    help="Events that a service could not process: see why, and replay them.", cls=ListByDefault
)
app.add_typer(letters, name="dead-letters")
app.command("replay")(replay_events)


def _known(consumer: str | None) -> str | None:
    if consumer is not None and consumer not in CONSUMERS:
        raise typer.BadParameter(f"{consumer!r} is none of {', '.join(CONSUMERS)}")
    return consumer


Consumer = Annotated[
    str, typer.Argument(metavar=NAMES, callback=_known, help="Service that consumes the event.")
]
LetterId = Annotated[
    int, typer.Argument(metavar="ID", min=1, help="Id of the dead letter, as in the list.")
]


class Replayed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The result for one of several dead letters; `error` if it still cannot be processed."""

    id: int
    processed: bool
    error: str | None = None


@letters.command("list")
def list_letters(
    context: typer.Context,
    data_dir: DataDir,
    consumer: Annotated[
        str | None, typer.Argument(metavar=NAMES, callback=_known, help="Only this service.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Include dead letters that a replay has processed.")
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """List dead letters that wait for a replay, oldest first.

    Exit status 1 if a service did not answer.
    """
    installation = find(context, data_dir, url, token)
    found: list[DeadLetterView] = []
    failures: dict[str, str] = {}
    with talk(installation, as_json=as_json) as valerix:
        for name in [consumer] if consumer else CONSUMERS:
            with _recording_failure(name, failures, installation):
                found += valerix.dead_letters.list(name, waiting=not everything)
    _print_list(found, failures, as_json=as_json)
    if failures:
        raise typer.Exit(1)


@contextmanager
def _recording_failure(
    name: str, failures: dict[str, str], installation: Installation
) -> Iterator[None]:
    """Record the failure of one service, so that the dead letters of the others are still shown."""
    try:
        yield
    except (NoAnswer, NotFound, ServerFailed) as error:
        failures[name] = explain(error, installation)


def _print_list(found: list[DeadLetterView], failures: dict[str, str], *, as_json: bool) -> None:
    for name, why in failures.items():
        say(f"{name} could not be queried: {why}", file=sys.stderr)
    if as_json:
        print_json({"items": found, "notAsked": failures})
        return
    made = table(
        "service",
        "id",
        "event",
        "subject",
        "failed",
        "attempts",
        "replayed",
        "error",
        right=("id", "attempts"),
    )
    for letter in found:
        made.add_row(
            letter.consumer,
            str(letter.id),
            letter.event_type,
            letter.subject,
            moment(letter.failed_at),
            str(letter.attempts),
            moment(letter.replayed_at) if letter.replayed_at else "no",
            letter.error,
        )
    console().print(made if found else "There are no dead letters.")


@letters.command()
def show(
    context: typer.Context,
    consumer: Consumer,
    letter_id: LetterId,
    data_dir: DataDir,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Show one dead letter: the event, and why it could not be processed."""
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        letter = valerix.dead_letters.get(consumer, letter_id)
    if as_json:
        print_json(letter)
        return
    out = console()
    out.print(f"service   {letter.consumer}")
    out.print(f"failed    {moment(letter.failed_at)}, delivered {letter.attempts} time(s)")
    out.print(f"error     {letter.error}", soft_wrap=True)
    out.print(f"replayed  {moment(letter.replayed_at) if letter.replayed_at else 'no'}")
    print_json(letter.event)


@letters.command()
def replay(
    context: typer.Context,
    consumer: Consumer,
    data_dir: DataDir,
    letter_id: Annotated[
        int | None, typer.Argument(metavar="ID", min=1, help="Id of the dead letter.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every dead letter that waits for a replay, oldest first.")
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Process a dead letter again, once its cause is fixed. Exit status 1 if it still fails."""
    if (letter_id is None) is not everything:
        raise typer.BadParameter("Give either the id of a dead letter or --all")
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        if letter_id is None:
            _replay_all(valerix, consumer, as_json=as_json)
        else:
            before = valerix.dead_letters.get(consumer, letter_id)
            _print_replayed(
                before, valerix.dead_letters.replay(consumer, letter_id), as_json=as_json
            )


def _print_replayed(before: DeadLetter, after: DeadLetter, *, as_json: bool) -> None:
    if as_json:
        print_json(after)
    elif before.replayed_at is None:
        say(f"{after.consumer} has processed dead letter {after.id}.")
    else:
        say(
            f"A replay at {moment(before.replayed_at)} has processed it already, "
            "so nothing was changed now."
        )


def _replay_all(valerix: Valerix, consumer: str, *, as_json: bool) -> None:
    waiting = list(valerix.dead_letters.list(consumer, waiting=True))
    outcomes = [_replay_one(valerix, letter) for letter in waiting]
    failures = [outcome for outcome in outcomes if not outcome.processed]
    if as_json:
        print_json({"items": outcomes})
    else:
        for failure in failures:
            say(failure.error, file=sys.stderr)
        processed = len(outcomes) - len(failures)
        say(f"{consumer} has processed {processed} of {len(outcomes)} dead letters.")
    if failures:
        raise typer.Exit(1)


def _replay_one(valerix: Valerix, letter: DeadLetterView) -> Replayed:
    try:
        valerix.dead_letters.replay(letter.consumer, letter.id)
    except Conflict as error:
        return Replayed(letter.id, processed=False, error=str(error))
    return Replayed(letter.id, processed=True)
