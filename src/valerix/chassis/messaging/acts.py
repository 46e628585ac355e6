"""Records what staff did, in the transaction of the change.

Each service with a database has the table `acts` (users: its audit). A use case puts the act on
record together with the change, and a relay publishes it to the topic of acts. A customer's change
is no act: `act_of` returns None, and the functions below then cost nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from litestar import post

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.outbox import Relay
from valerix.chassis.messaging.repository import ACTS, Act
from valerix.chassis.postgres.database import KEYED, Database, Transaction
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts import events
from valerix.contracts.acts import LIST_ACTS, Actor, ListActs, RecordedAct, RecordedActs
from valerix.contracts.ids import new_id
from valerix.contracts.roles import ServiceName, calls_from

log = structlog.get_logger()
T = TypeVar("T")
POLL_SECONDS: Final = 1.0
FORGET_SECONDS: Final = 3600.0
Record = Callable[[Transaction, Act | None], Awaitable[None]]


def act_of(actor: Actor | None, name: str, subject: str, /, **what: Any) -> Act | None:
    """The act that `actor` is about to do; None for a customer.

    Members of `what` that are None are left out.
    """
    if actor is None:
        return None
    return Act(
        new_id(),
        name,
        actor,
        subject,
        {key: value for key, value in what.items() if value is not None},
    )


def detailed(act: Act | None, /, **what: Any) -> Act | None:
    """The act with details that are known only after the change."""
    return act and act._replace(what=act.what | what)


async def record(tx: Transaction, act: Act | None) -> None:
    """Puts an act on record in the transaction of its change. The log line omits the address."""
    if act is not None:
        await ACTS.insert_act(tx, act)
        log.info("act", act=act.name, actor=act.actor.id, role=act.actor.role, subject=act.subject)


async def recorded(
    tx: Transaction,
    act: Act | None,
    change: Callable[[], Awaitable[T]],
    changed: Callable[[T], bool] = bool,
) -> T:
    """Makes `change` and records its act in one transaction; returns the outcome of `change`.

    An outcome that is not `changed` records no act.
    """
    return await recorded_all(tx, [act], change, lambda outcome: [changed(outcome)])


async def recorded_all(
    tx: Transaction,
    acts: Sequence[Act | None],
    change: Callable[[], Awaitable[T]],
    changed: Callable[[T], Iterable[bool]],
) -> T:
    """Makes `change` over a list, and records the acts of what it `changed`, in one transaction.

    `changed` gives one value per act. Returns the outcome of `change`. Without acts, there is no
    transaction besides that of the change.
    """
    if not any(acts):
        return await change()
    async with tx.transaction():
        outcome = await change()
        for act, is_change in zip(acts, changed(outcome), strict=True):
            if is_change:
                await record(tx, act)
        return outcome


async def list_acts(tx: Transaction, subjects: Sequence[str]) -> list[RecordedAct]:
    """Every act on these subjects, oldest first."""
    return await ACTS.list_of_subjects(tx, subjects)


async def list_acts_of_traces(tx: Transaction, traces: Sequence[str]) -> list[RecordedAct]:
    """Every act of the requests with these trace ids, oldest first."""
    return await ACTS.list_of_traces(tx, traces)


def acts_route(database: Database) -> Any:
    """The route that lists the acts of this service, for services that show them to staff."""

    @post(
        LIST_ACTS, access=calls_from(ServiceName.ORDERS), include_in_schema=False, status_code=200
    )
    async def list_acts_of_subjects(data: ListActs) -> RecordedActs:
        async with database.connection() as connection:
            return RecordedActs(await list_acts(connection, data.subjects))

    return list_acts_of_subjects


async def open_acts(
    settings: ServiceSettings, resources: AsyncExitStack, source: str, bus: Bus, database: Database
) -> list[Callable[[], Awaitable[None]]]:
    """The background jobs of the service `source`: its relay of acts, and the removal of old
    addresses.

    The relay has a database connection of its own.
    """
    own = await open_database(settings, resources, source, 1, KEYED)
    consumers = events.CONSUMERS[events.ACTS]
    relay = Relay(
        own,
        bus,
        source,
        consumers,
        ACTS.list_outgoing,
        ACTS,
        topic=events.ACTS,
        poll_seconds=POLL_SECONDS,
    )
    return [relay.run, partial(forget_addresses, database)]


async def forget_addresses(database: Database) -> None:
    """Removes addresses after one year, because they are personal data. Runs until cancelled."""
    while True:
        async with database.connection() as connection:
            await ACTS.forget_addresses(connection)
        await asyncio.sleep(FORGET_SECONDS)
