"""How results look: tables for people, one JSON document for programs."""

import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from valerix.contracts.ids import short
from valerix.contracts.money import Money, money_text
from valerix.contracts.states import OrderStatus, Tone
from valerix.launcher.terminal import safe, safe_json

UNLIMITED: Final = 10_000
"""Columns of a line that goes to no terminal: a row of a table is one line for the program that reads it."""
TONE_STYLES: Final = {
    Tone.OK: "green",
    Tone.WARN: "yellow",
    Tone.BAD: "red",
    Tone.INFO: "cyan",
    Tone.PLAIN: "dim",
}
STATUS_STYLES: Final = {str(status): TONE_STYLES[status.tone] for status in OrderStatus}


def print_json(value: object) -> None:
    sys.stdout.write(safe_json(msgspec.json.format(msgspec.json.encode(value)).decode()) + "\n")


class SafeConsole(Console):
    """Styles what it is given, and lets through no control of the terminal that is in it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=safe(segment.text))


def on_terminal() -> bool:
    """Whether a reader looks at stdout: tables fit the screen, ids are short. Otherwise both are whole."""
    return sys.stdout.isatty()


def console(*, markup: bool = False, stderr: bool = False) -> Console:
    """Takes every text literally, unless `markup` says otherwise: names from the catalogue are not markup.

    What is no terminal gets plain lines, even where FORCE_COLOR is set: a log keeps every movement of the cursor.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return SafeConsole(
        width=None if is_terminal else UNLIMITED,
        markup=markup,
        stderr=stderr,
        force_terminal=None if is_terminal else False,
        highlight=False,
        emoji=False,
    )


def table(*headings: str, right: Collection[str] = (), cut: Collection[str] = ()) -> Table:
    """`right`: the headings of what is aligned there; `cut`: of what alone gives way where the screen is narrow.

    Without `cut`, any cell may have several lines there.
    """
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        made.add_column(
            heading, justify="right" if heading in right else "left", no_wrap=bool(cut) and heading not in cut
        )
    return made


def one_line(text: str) -> Text:
    """A cell of a column that is cut: its end is left out where it does not fit."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def id_text(identifier: str) -> str:
    """An id in a table."""
    return short(identifier) if on_terminal() else identifier


def status_text(status: str) -> Text:
    return Text(status, STATUS_STYLES.get(status, ""))


def money(amount: Money | None) -> str:
    """`1,299.00 USD`; a dash for an amount that is not fixed yet."""
    return "-" if amount is None else money_text(amount)


def moment(at: datetime) -> str:
    """In the reader's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def minute(at: datetime) -> str:
    """In the reader's time zone, where there is little space."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
