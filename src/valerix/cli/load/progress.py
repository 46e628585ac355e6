"""Progress of a run, on stderr: redrawn on a terminal, otherwise a line every few seconds."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from rich.live import Live
from rich.text import Text

from valerix.cli.load.tally import Histogram, Tally
from valerix.cli.output import console

REDRAW_SECONDS: Final = 1.0
LINE_SECONDS: Final = 5.0


async def watch(tally: Tally) -> None:
    """Show the progress until the task is cancelled."""
    out = console(stderr=True)
    if out.is_terminal:
        with Live(console=out, transient=True, auto_refresh=False) as live:
            async for text in _texts(tally, REDRAW_SECONDS):
                live.update(Text(text), refresh=True)
    else:
        async for text in _texts(tally, LINE_SECONDS):
            out.print(text, soft_wrap=True)


async def _texts(tally: Tally, every: float) -> AsyncIterator[str]:
    started, sent = time.monotonic(), 0
    while True:
        await asyncio.sleep(every)
        rate, sent = (tally.sent - sent) / every, tally.sent
        yield line(tally, time.monotonic() - started, rate)


def line(tally: Tally, seconds: float, rate: float) -> str:
    """Return one line: the totals, the latencies since the last line, and the current stage."""
    answers = ", ".join(f"{kind} x {count}" for kind, count in sorted(tally.answers.items()))
    return (
        f"{seconds:4.0f} s  {tally.sent} orders, {rate:.1f}/s"
        f"  in flight {tally.in_flight}, pending {tally.pending}"
        f"  {_latencies(tally.take_recent())}  {answers}{tally.stage}"
    )


def _latencies(recent: Histogram) -> str:
    parts = [f"p{part * 100:.0f} {recent.quantile(part) * 1000:.0f}" for part in (0.5, 0.95, 0.99)]
    return f"{' '.join(parts)} max {recent.max * 1000:.0f} ms" if recent.count else "no answers"
