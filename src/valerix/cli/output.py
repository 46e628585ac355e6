"""How results look: tables for people, one JSON document for programs."""

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from valerix.contracts.money import Money, money_text
from valerix.contracts.states import OrderStatus, Tone
from valerix.launcher.terminal import safe, safe_json

LINE_WIDTH: Final = 200
"""Columns of a line, however narrow the terminal: it wraps what is longer, and ids stay whole for copying."""
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


def console(*, width: int | None = LINE_WIDTH, markup: bool = False, stderr: bool = False) -> Console:
    """Takes every text literally, unless `markup` says otherwise: names from the catalogue are not markup.

    What is no terminal gets plain lines, even where FORCE_COLOR is set: a log keeps every movement of the cursor.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return SafeConsole(
        width=width,
        markup=markup,
        stderr=stderr,
        force_terminal=None if is_terminal else False,
        highlight=False,
        emoji=False,
    )


def table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """`right`: the headings of what is aligned there."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left")
    return made


def status_text(status: str) -> Text:
    return Text(status, STATUS_STYLES.get(status, ""))


def money(amount: Money | None) -> str:
    """`1,299.00 USD`; a dash for an amount that is not fixed yet."""
    return "-" if amount is None else money_text(amount)


def moment(at: datetime) -> str:
    """In the reader's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
