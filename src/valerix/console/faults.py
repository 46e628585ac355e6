"""Injected faults that are in force now or were in the last hour, read from the fault store."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import structlog

from valerix.chassis.chaos.store import StoreUnavailable
from valerix.chassis.chaos.use_cases import Chaos, FaultView

log = structlog.get_logger()
KEPT: Final = 200
KEPT_FOR: Final = timedelta(hours=1)


class ShownFault(msgspec.Struct, frozen=True, rename="camel"):
    """A fault as banners and bands in charts show it."""

    id: str
    service: str
    kind: str
    label: str
    since: datetime
    until: datetime
    """The time at which the fault ends or ended."""
    active: bool
    strikes: int
    """Number of requests that met the fault."""
    cut_off_from: str
    """The service that cannot be reached; empty for other kinds of faults."""


class FaultWatch:
    """Reads the faults periodically.

    Without `chaos` no faults can be injected, so there are none.
    """

    def __init__(self, chaos: Chaos | None) -> None:
        self._chaos = chaos
        self._seen: OrderedDict[str, ShownFault] = OrderedDict()

    async def look(self) -> None:
        """Read the faults. While the store is unavailable, known faults stay until they end."""
        if self._chaos is None:
            return
        try:
            services = await self._chaos.overview()
        except StoreUnavailable:
            return
        found = [
            _shown(one.service, view) for one in services for view in (*one.active, *one.history)
        ]
        horizon = datetime.now(UTC) - KEPT_FOR
        recent = sorted(
            (fault for fault in found if fault.until > horizon), key=lambda fault: fault.since
        )
        self._seen = OrderedDict((fault.id, fault) for fault in recent[-KEPT:])

    def active(self) -> list[ShownFault]:
        """Faults in force now, oldest first."""
        now = datetime.now(UTC)
        return [fault for fault in self._seen.values() if fault.active and fault.until > now]

    def recent(self) -> list[ShownFault]:
        """Faults of the last hour, oldest first."""
        return list(self._seen.values())


def _shown(service: str, view: FaultView) -> ShownFault:
    fault = msgspec.to_builtins(view.fault)
    return ShownFault(
        id=view.id,
        service=service,
        kind=fault["kind"],
        label=_label(fault),
        since=view.since,
        until=view.stopped_at or view.until,
        active=view.state == "active",
        strikes=view.strikes,
        cut_off_from=fault.get("dependency", ""),
    )


def _label(fault: dict[str, object]) -> str:
    """A fault in a few words: `every 5th request waits 3000 ms`."""
    words = {
        "gremlin": "every {nth}request waits {delayMs} ms",
        "crash": "crash after the commit ({how})",
        "errors": "{fraction:.0%} of the requests answer 503",
        "cut": "cut off from {dependency}",
        "failpoint": "{action} at {point}",
        "behaviour": "{name}",
    }
    return words[str(fault["kind"])].format_map(fault | {"nth": _nth(fault.get("every", 1))})


def _nth(every: object) -> str:
    if every == 1:
        return ""
    text = str(every)
    ends = "th" if text[-2:-1] == "1" else {"1": "st", "2": "nd", "3": "rd"}.get(text[-1], "th")
    return f"{text}{ends} "
