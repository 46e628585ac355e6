"""Presents results: tables for people, one JSON document for programs."""

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
"""Columns of output without a terminal, so that a program reads each table row as one line."""
TONE_STYLES: Final = {
    Tone.OK: "green",
    Tone.WARN: "yellow",
    Tone.BAD: "red",
    Tone.INFO: "cyan",
    Tone.PLAIN: "dim",
}
STATUS_STYLES: Final = {str(status): TONE_STYLES[status.tone] for status in OrderStatus}


def print_json(value: object) -> None:
    """Print a value as one JSON document on stdout."""
    sys.stdout.write(safe_json(msgspec.json.format(msgspec.json.encode(value)).decode()) + "\n")


class SafeConsole(Console):
    """Styles its output, and removes control sequences of the terminal that the text contains."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=safe(segment.text))


def on_terminal() -> bool:
    """Return whether stdout is a terminal.

    On a terminal, tables fit the screen and ids are short; elsewhere both are complete.
    """
    return sys.stdout.isatty()


def console(*, markup: bool = False, stderr: bool = False) -> Console:
    """Return a console that prints text literally, since a product's name is no markup.

    With `markup`, the text is interpreted.

    Anything but a terminal gets plain lines, even if FORCE_COLOR is set: a log would keep every
    movement of the cursor.
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
    """Return an empty table.

    `right`: headings of the right-aligned columns. `cut`: headings of the only columns that shrink
    on a narrow screen; without `cut`, any cell may take several lines there.
    """
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        made.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=bool(cut) and heading not in cut,
        )
    return made


def one_line(text: str) -> Text:
    """Return a cell for a column that may be cut: an ellipsis replaces the end if necessary."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def id_text(identifier: str) -> str:
    """Return an id for a table: short on a terminal, else in full."""
    return short(identifier) if on_terminal() else identifier


def status_text(status: str) -> Text:
    return Text(status, STATUS_STYLES.get(status, ""))


def money(amount: Money | None) -> str:
    """Return an amount as `1,299.00 USD`, or a dash for an amount that is not fixed yet."""
    return "-" if amount is None else money_text(amount)


def moment(at: datetime) -> str:
    """Return date and time to the second, in this machine's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def minute(at: datetime) -> str:
    """Return date and time to the minute, in this machine's time zone; for narrow columns."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
