"""Shows a result repeatedly, for `--watch`."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from typing import NoReturn

from rich.console import Group, RenderableType
from rich.live import Live

from valerix.cli.output import console


def keep_showing(look: Callable[[], RenderableType], every_seconds: float) -> NoReturn:
    """Show the result of `look` every few seconds until Ctrl-C.

    A terminal is redrawn in place; elsewhere one result follows the other.
    """
    out = console()
    with Live(console=out, auto_refresh=False) if out.is_terminal else nullcontext() as live:
        while True:
            now = datetime.now().astimezone()
            shown = Group(look(), f"{now:%H:%M:%S}, every {every_seconds:g} s; Ctrl-C ends it")
            if live is None:
                out.print(shown)
            else:
                live.update(shown, refresh=True)
            time.sleep(every_seconds)
