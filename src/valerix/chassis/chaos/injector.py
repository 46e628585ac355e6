"""The faults of this process.

It tracks the active ones and applies them to requests, points, calls and behaviours.
"""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from litestar.types import ASGIApp, Receive, Send
from prometheus_client import Counter, Gauge

from valerix.chassis.base.problems import Problem, Unavailable
from valerix.chassis.chaos.faults import (
    Behaviour,
    Crash,
    Cut,
    Errors,
    Failpoint,
    Gremlin,
    Injected,
    Register,
)
from valerix.chassis.chaos.points import CUTS, POINTS, SWITCHES, Hold, ReplyDropped
from valerix.chassis.chaos.store import Store

log = structlog.get_logger()
UNTOUCHED: Final = (
    "/health",
    "/ready",
    "/metrics",
    "/openapi",
    "/asyncapi",
    "/api/v1/chaos",
    "/internal/v1/chaos",
    "/api/v1/resilience",
)
"""Path prefixes that no fault affects.

Health stays truthful, and faults can always be switched off.
"""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
KINDS: Final = (Gremlin, Crash, Errors, Cut, Failpoint, Behaviour)

gremlin_activations = Counter(
    "gremlin_activations_total", "Requests delayed by the latency gremlin"
)
crash_simulations = Counter(
    "crash_simulations_total",
    "Replies withheld after the commit, whether or not the process was killed",
)
strikes_total = Counter("chaos_strikes_total", "How often injected faults struck", ["kind"])
faults_active = Gauge("chaos_faults_active", "Faults injected into this process now", ["kind"])


class ErrorInjected(Unavailable):
    """Nothing was started. The answer reads like that of any overloaded service."""

    def __init__(self) -> None:
        super().__init__("This error was injected on purpose")


class FailedOnPurpose(Problem):
    status, code, title = 500, "failed_on_purpose", "Failed on purpose"

    def __init__(self, point: str) -> None:
        super().__init__(f"A fault was injected at {point}; whether it had its effect is not known")


class _Running:
    """One fault in force in this process."""

    def __init__(self, injected: Injected) -> None:
        self.injected = injected
        self.fault = injected.fault
        self.requests = 0
        self.ended = asyncio.Event()
        """Set when the fault is stopped or has expired. Work that it delays continues then."""

    def matches(self, path: str) -> bool:
        wanted: str | None = getattr(self.fault, "path", None)
        return wanted is None or path.startswith(wanted)

    async def hold(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()


class Injector:
    """Arms this process with the faults of a register."""

    def __init__(self, store: Store, spared: Sequence[str]) -> None:
        self.armed = False
        """Whether any fault strikes arriving requests."""
        self._store = store
        self._untouched = (*UNTOUCHED, *spared)
        self._running: dict[str, _Running] = {}
        self._spent: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def apply(self, register: Register) -> None:
        """Puts the faults of the register into force; faults that it no longer contains end."""
        now = datetime.now(UTC)
        wanted = {
            one.id: one
            for one in register.faults
            if not one.is_over(now) and one.id not in self._spent
        }
        for gone in self._running.keys() - wanted.keys():
            self._running.pop(gone).ended.set()
        for fresh in wanted.keys() - self._running.keys():
            self._running[fresh] = _Running(wanted[fresh])
            log.warning("fault injected", fault=fresh, what=wanted[fresh].fault)
        self._arm()
        self._wake_at_next_end(register, now)

    def _wake_at_next_end(self, register: Register, now: datetime) -> None:
        if self._timer is not None:
            self._timer.cancel()
        ends = [one.injected.until for one in self._running.values()]
        if ends:
            seconds = (min(ends) - now).total_seconds() + 0.001
            self._timer = asyncio.get_running_loop().call_later(seconds, self.apply, register)

    def _arm(self) -> None:
        running = self._running.values()
        self.armed = any(isinstance(one.fault, Gremlin | Errors | Crash) for one in running)
        for point in POINTS.values():
            point.strike = None
        for switch in SWITCHES.values():
            switch.struck = None
        CUTS.clear()
        for one in running:
            match one.fault:
                case Failpoint(point=name) if name in POINTS:
                    POINTS[name].strike = partial(self._at_point, one, one.fault)
                case Behaviour(name=name, fraction=fraction) if name in SWITCHES:
                    SWITCHES[name].struck = partial(self._at_switch, one, fraction)
                case Cut(dependency=name):
                    CUTS[name] = partial(self._at_switch, one, 1.0)
                case _:
                    pass
        for kind in KINDS:
            faults_active.labels(kind.__name__.lower()).set(
                sum(isinstance(one.fault, kind) for one in running)
            )

    async def _struck(self, one: _Running, **where: str) -> bool:
        """Counts a strike.

        Returns False when the fault has struck as often as it may, over all replicas.
        """
        times = one.injected.times
        number = await self._store.count(one.injected.id, times)
        if number in (0, times):
            self._spent.add(one.injected.id)
            self._running.pop(one.injected.id, None)
            self._arm()
        if number == 0:
            return False
        kind = type(one.fault).__name__.lower()
        strikes_total.labels(kind).inc()
        log.warning("fault strikes", kind=kind, fault=one.injected.id, number=number, **where)
        return True

    # --- arriving requests

    async def before_work(self, path: str) -> None:
        """Delays the request for the gremlin, or raises an injected error."""
        for one in self._hitting(path):
            if isinstance(one.fault, Gremlin):
                one.requests += 1
                if one.requests % one.fault.every == 0 and await self._struck(one, path=path):
                    gremlin_activations.inc()
                    await one.hold(one.fault.delay_ms / 1000)
            elif (
                isinstance(one.fault, Errors)
                and random.random() < one.fault.fraction  # noqa: S311 - chance, no secret
                and await self._struck(one, path=path)
            ):
                raise ErrorInjected

    async def before_reply(self, method: str, path: str, status: int) -> None:
        """The work is done; a crash withholds the reply. Raises ReplyDropped, or never returns."""
        if method in READING or status >= 300:
            return
        for one in self._hitting(path):
            if isinstance(one.fault, Crash) and await self._struck(one, path=path):
                crash_simulations.inc()
                if one.fault.how == "kill":
                    _kill()
                raise ReplyDropped

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wraps `app` so that its replies are withheld where a crash requires it."""

        async def guarded(scope: Any, receive: Receive, send: Send) -> None:
            dropped = False

            async def reply(message: Any) -> None:
                nonlocal dropped
                if message["type"] == "http.response.start":
                    try:
                        await self.before_reply(scope["method"], scope["path"], message["status"])
                    except ReplyDropped:  # a framework would turn it into an answer
                        dropped = True
                if not dropped:
                    await send(message)

            await app(scope, receive, reply)
            if dropped:
                raise ReplyDropped

        return guarded

    def _hitting(self, path: str) -> list[_Running]:
        if path.startswith(self._untouched):
            return []
        return [one for one in self._running.values() if one.matches(path)]

    # --- inside

    async def _at_point(self, one: _Running, fault: Failpoint) -> None:
        if not await self._struck(one, point=fault.point, action=fault.action):
            return
        match fault.action:
            case "kill":
                _kill()
            case "hang":
                await one.hold(fault.delay_ms / 1000)
            case "drop":
                raise ReplyDropped
            case "error":
                raise FailedOnPurpose(fault.point)

    async def _at_switch(self, one: _Running, fraction: float) -> Hold | None:
        hits = random.random() < fraction  # noqa: S311 - chance, no secret
        return one.hold if hits and await self._struck(one) else None


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
