"""How results look: tables for people, one JSON document for programs."""

import sys
from datetime import datetime
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from valerix.contracts.money import Money

PIPED_WIDTH: Final = 200
"""Columns where there is no terminal: nothing is folded, so that lines can be searched."""
MINOR_DIGITS: Final = {
    currency: digits
    for digits, currencies in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for currency in currencies.split()
}
"""ISO 4217, where it is not 2."""
STATUS_STYLES: Final = {
    "confirmed": "green",
    "processing": "green",
    "shipped": "green",
    "completed": "green",
    "pending": "yellow",
    "failed": "red",
    "cancelled": "dim",
}


def print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def console() -> Console:
    """Takes every text literally: names from the catalogue are not markup."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=width, markup=False, highlight=False, emoji=False)


def table(*headings: str, right: tuple[str, ...] = (), whole: tuple[str, ...] = (), title: str | None = None) -> Table:
    """`right`: aligned there; `whole`: never folded."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left", no_wrap=heading in whole + right)
    return made


def status_text(status: str) -> Text:
    return Text(status, STATUS_STYLES.get(status, ""))


def money(amount: Money | None) -> str:
    """`1,299.00 USD`; a dash for an amount that is not fixed yet."""
    if amount is None:
        return "-"
    digits = MINOR_DIGITS.get(amount.currency, 2)
    units, rest = divmod(amount.amount_minor, 10**digits)
    return f"{units:,}{f'.{rest:0{digits}}' if digits else ''} {amount.currency}"


def moment(at: datetime) -> str:
    """In the reader's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
