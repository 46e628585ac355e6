"""The use cases of administrators: inject a fault, end all faults, show the state."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import structlog

from valerix.chassis.base.problems import Invalid, Unavailable
from valerix.chassis.chaos.faults import Behaviour, Crash, Cut, Failpoint, Fault, Injected, Register
from valerix.chassis.chaos.injector import Injector, crash_simulations
from valerix.chassis.chaos.points import POINTS, SWITCHES
from valerix.chassis.chaos.store import (
    LocalStore,
    Menu,
    Store,
    StoreUnavailable,
    StrikeCounts,
    ValkeyStore,
)
from valerix.contracts.acts import CHAOS_ARMED, CHAOS_ENDED, Actor, RecordAct
from valerix.contracts.ids import new_id

log = structlog.get_logger()
Recorder = Callable[[RecordAct, Actor], Awaitable[None]]
"""Returns when the act is on record. Raises Unavailable."""
REMEMBERED: Final = 50
"""Maximum number of faults stored per service, past ones included."""


class FaultView(msgspec.Struct, frozen=True, rename="camel"):
    """A fault and its history.

    `state`: `active`, `expired`, `stopped`, or `spent`: it struck as often as it may.
    """

    id: str
    state: str
    fault: Fault
    by: str
    since: datetime
    until: datetime
    stopped_at: datetime | None
    stopped_by: str | None
    strikes: int
    strikes_by_copy: dict[str, int]


class ServiceChaos(msgspec.Struct, frozen=True, rename="camel"):
    """One service: active faults, earlier faults (latest first), and available faults."""

    service: str
    active: list[FaultView]
    history: list[FaultView]
    copies: list[str]
    """The replicas in which all active faults are in force."""
    failpoints: list[str]
    behaviours: list[str]
    dependencies: list[str]


class Elsewhere(Protocol):
    """A service that stores its faults itself."""

    service: str

    async def state(self) -> ServiceChaos:
        """Its faults. Raises Unavailable."""

    async def stop(self) -> None:
        """Ends every fault, on behalf of the administrator behind the request.

        Raises Unavailable.
        """


class Chaos:
    """The use cases around faults: for this service, and for all services.

    The other services share the Valkey, or are listed in `elsewhere`.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        menu: Menu,
        record: Recorder,
        elsewhere: Sequence[Elsewhere] = (),
    ) -> None:
        self._store = store
        self._service = service
        self._menu = menu
        self._record = record
        self._elsewhere = elsewhere

    async def inject(self, fault: Fault, actor: Actor) -> ServiceChaos:
        """Injects a fault. Returns when every replica has applied it. The fault with the same slot
        ends.

        The injection is put on record first and does not happen if that fails: the fault may keep
        the record from being written. Raises Invalid for a name that this service lacks, and what
        `record` raises.
        """
        self._check(fault)
        await self._record(
            _act(CHAOS_ARMED, self._service, actor, msgspec.to_builtins(fault)), actor
        )
        now = datetime.now(UTC)
        fresh = Injected(
            new_id(), fault, actor.id, now, now + timedelta(seconds=fault.duration_seconds)
        )

        def edit(before: Register) -> Register:
            rest = _stopped(before.faults, actor.id, now, lambda one: one.fault.slot == fault.slot)
            return Register(before.version + 1, (*rest, fresh)[-REMEMBERED:])

        await self._store.change(self._service, edit)
        return await self.state()

    async def stop(self, actor: Actor) -> ServiceChaos:
        """Ends every fault of this service."""
        await self._stop(self._service, actor)
        return await self.state()

    async def stop_all(self, actor: Actor) -> list[ServiceChaos]:
        """Ends every fault of every service.

        Raises Unavailable when a service that stores its own faults was not reached.
        """
        await asyncio.gather(*(self._stop(service, actor) for service in await self._shared()))
        await asyncio.gather(*(one.stop() for one in self._elsewhere))
        return await self.overview()

    async def state(self) -> ServiceChaos:
        """The faults of this service."""
        return await self._state(self._service, self._menu)

    async def overview(self) -> list[ServiceChaos]:
        """The faults of every service, by name.

        A service that stores its faults itself is left out while it cannot be reached.
        """
        shared = (self._state(service, menu) for service, menu in (await self._shared()).items())
        found = await asyncio.gather(*shared, *map(_reached, self._elsewhere))
        return sorted((one for one in found if one), key=lambda one: one.service)

    async def _shared(self) -> dict[str, Menu]:
        """The services in the store, without the entries of services that store their own faults.

        An earlier version left such entries.
        """
        own = {one.service for one in self._elsewhere}
        return {
            name: menu for name, menu in (await self._store.services()).items() if name not in own
        }

    async def _stop(self, service: str, actor: Actor) -> None:
        """Ends the faults even if that cannot be put on record: a fault may be the reason."""
        now = datetime.now(UTC)
        ended: list[str] = []

        def edit(before: Register) -> Register:
            ended[:] = [one.id for one in before.faults if not one.is_over(now)]
            return Register(
                before.version + 1, tuple(_stopped(before.faults, actor.id, now, lambda one: True))
            )

        await self._store.change(service, edit)
        if not ended:
            return
        try:
            await self._record(_act(CHAOS_ENDED, service, actor, {"faults": ended}), actor)
        except Exception:  # the fault is over, whatever the reason for the failed record
            log.exception("the end of faults is not on record", target=service, actor=actor.id)

    async def _state(self, service: str, menu: Menu) -> ServiceChaos:
        now = datetime.now(UTC)
        register = await self._store.read(service)
        counts = await self._store.counts(service, [one.id for one in register.faults])
        views = [_view(one, counts[one.id], now) for one in reversed(register.faults)]
        return ServiceChaos(
            service,
            [view for view in views if view.state == "active"],
            [view for view in views if view.state != "active"],
            await self._store.copies(service, register.version),
            menu.failpoints,
            menu.behaviours,
            menu.dependencies,
        )

    def _check(self, fault: Fault) -> None:
        match fault:
            case Failpoint(point=name):
                _known("point", name, self._menu.failpoints)
            case Behaviour(name=name):
                _known("name", name, self._menu.behaviours)
            case Cut(dependency=name):
                _known("dependency", name, self._menu.dependencies)
            case _:
                pass


class OpenedChaos(NamedTuple):
    """The use cases, the injector and the background job of one process."""

    chaos: Chaos
    injector: Injector
    job: Callable[[], Awaitable[None]]
    """Runs until cancelled and applies the faults that any replica injects."""


async def open_chaos(
    service: str,
    instance: str,
    valkey_url: str,
    faults_file: Path | None,
    dependencies: Sequence[str],
    spared: Sequence[str],
    record: Recorder,
    elsewhere: Sequence[Elsewhere],
    resources: AsyncExitStack,
) -> OpenedChaos:
    """Opens fault injection with the faults that were in force when this replica ended.

    After a fault has killed it, the replica resumes the remaining faults.
    """
    store: Store = LocalStore(service, instance, faults_file)
    if valkey_url:
        store = await resources.enter_async_context(ValkeyStore.open(valkey_url, service, instance))
    menu = Menu(sorted(POINTS), sorted(SWITCHES), sorted(dependencies))
    injector = Injector(store, spared)
    try:
        register = await store.read(service)
        counts = await store.counts(
            service, [one.id for one in register.faults if isinstance(one.fault, Crash)]
        )
        crash_simulations.inc(sum(count.by_copy.get(instance, 0) for count in counts.values()))
        injector.apply(register)
    except StoreUnavailable:
        log.warning("valkey not available, faults are applied when it returns")

    async def job() -> None:
        await store.announce(menu)
        await store.follow(injector.apply)

    return OpenedChaos(Chaos(store, service, menu, record, elsewhere), injector, job)


async def _reached(one: Elsewhere) -> ServiceChaos | None:
    try:
        return await one.state()
    except Unavailable:
        return None


def _act(name: str, service: str, actor: Actor, what: dict[str, Any]) -> RecordAct:
    return RecordAct(new_id(), service, name, service, what, actor.address)


def _known(field: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        message = f"Expected one of: {', '.join(names)}" if names else "This service has none"
        raise Invalid.of(field, message)


def _stopped(
    faults: Iterable[Injected], by: str, now: datetime, ends: Callable[[Injected], bool]
) -> list[Injected]:
    """Stops the faults that are in force and match `ends`; all others stay unchanged."""
    return [
        msgspec.structs.replace(one, stopped_at=now, stopped_by=by)
        if not one.is_over(now) and ends(one)
        else one
        for one in faults
    ]


def _view(one: Injected, counts: StrikeCounts, now: datetime) -> FaultView:
    spent = one.times is not None and counts.total >= one.times
    state = (
        "spent"
        if spent
        else "stopped"
        if one.stopped_at
        else "expired"
        if one.until <= now
        else "active"
    )
    return FaultView(
        id=one.id,
        state=state,
        fault=one.fault,
        by=one.by,
        since=one.since,
        until=one.until,
        stopped_at=one.stopped_at,
        stopped_by=one.stopped_by,
        strikes=counts.total,
        strikes_by_copy=counts.by_copy,
    )
