"""`bus`: events that could not be processed, and events that were lost."""

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
    """`dead-letters`, `dead-letters orders` and `dead-letters --all` mean `dead-letters list …`."""

    default = "list"


app = typer.Typer(help="Look after what services tell one another.", no_args_is_help=True)
letters = typer.Typer(help="Events that a service could not process: see why, and replay them.", cls=ListByDefault)
app.add_typer(letters, name="dead-letters")
app.command("replay")(replay_events)


def _known(consumer: str | None) -> str | None:
    if consumer is not None and consumer not in CONSUMERS:
        raise typer.BadParameter(f"{consumer!r} is none of {', '.join(CONSUMERS)}")
    return consumer


Consumer = Annotated[str, typer.Argument(metavar=NAMES, callback=_known, help="The service that listens.")]
LetterId = Annotated[int, typer.Argument(metavar="ID", min=1, help="Of the dead letter, as the list shows it.")]


class Replayed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What became of one of several; `error` when it still cannot be processed."""

    id: int
    processed: bool
    error: str | None = None


@letters.command("list")
def list_letters(
    context: typer.Context,
    data_dir: DataDir,
    consumer: Annotated[str | None, typer.Argument(metavar=NAMES, callback=_known, help="Of one service only.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that a replay has processed, too.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """What waits to be replayed, oldest first. Exit status 1 when a service could not be asked."""
    installation = find(context, data_dir, url, token)
    found: list[DeadLetterView] = []
    silent: dict[str, str] = {}
    with talk(installation, as_json=as_json) as valerix:
        for name in [consumer] if consumer else CONSUMERS:
            with _noting_silence(name, silent, installation):
                found += valerix.dead_letters.list(name, waiting=not everything)
    _print_list(found, silent, as_json=as_json)
    if silent:
        raise typer.Exit(1)


@contextmanager
def _noting_silence(name: str, silent: dict[str, str], installation: Installation) -> Iterator[None]:
    """A service that is down does not hide what the others have."""
    try:
        yield
    except (NoAnswer, NotFound, ServerFailed) as error:
        silent[name] = explain(error, installation)


def _print_list(found: list[DeadLetterView], silent: dict[str, str], *, as_json: bool) -> None:
    for name, why in silent.items():
        say(f"{name} could not be asked: {why}", file=sys.stderr)
    if as_json:
        print_json({"items": found, "notAsked": silent})
        return
    made = table(
        "service", "id", "event", "subject", "failed", "attempts", "replayed", "error", right=("id", "attempts")
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
    """One dead letter: the event, and why it could not be processed."""
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
    letter_id: Annotated[int | None, typer.Argument(metavar="ID", min=1, help="Of the dead letter.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one that waits, oldest first.")] = False,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Process a dead letter again, once its cause is mended. Exit status 1 when it still fails."""
    if (letter_id is None) is not everything:
        raise typer.BadParameter("Give either the id of a dead letter or --all")
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        if letter_id is None:
            _replay_all(valerix, consumer, as_json=as_json)
        else:
            before = valerix.dead_letters.get(consumer, letter_id)
            _print_replayed(before, valerix.dead_letters.replay(consumer, letter_id), as_json=as_json)


def _print_replayed(before: DeadLetter, after: DeadLetter, *, as_json: bool) -> None:
    if as_json:
        print_json(after)
    elif before.replayed_at is None:
        say(f"{after.consumer} has processed dead letter {after.id}.")
    else:
        say(f"A replay at {moment(before.replayed_at)} had processed it: nothing was changed now.")


def _replay_all(valerix: Valerix, consumer: str, *, as_json: bool) -> None:
    waiting = list(valerix.dead_letters.list(consumer, waiting=True))
    outcomes = [_replay_one(valerix, letter) for letter in waiting]
    failures = [outcome for outcome in outcomes if not outcome.processed]
    if as_json:
        print_json({"items": outcomes})
    else:
        for failure in failures:
            say(failure.error, file=sys.stderr)
        say(f"{consumer} has processed {len(outcomes) - len(failures)} of {len(outcomes)} dead letters.")
    if failures:
        raise typer.Exit(1)


def _replay_one(valerix: Valerix, letter: DeadLetterView) -> Replayed:
    try:
        valerix.dead_letters.replay(letter.consumer, letter.id)
    except Conflict as error:
        return Replayed(letter.id, processed=False, error=str(error))
    return Replayed(letter.id, processed=True)
