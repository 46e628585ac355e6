"""The audit: changes that concern the security of accounts, and acts of staff in every service.

An entry about an account is written in the transaction of the change.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.limits.origin import Origin
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.acts import Actor, ActRecorded, RecordAct
from valerix.contracts.events import Event
from valerix.contracts.ids import new_id
from valerix.contracts.roles import ADMIN
from valerix.users.domain import AuditEntry, AuditFilter
from valerix.users.repository import audit

log = structlog.get_logger()


async def record(
    tx: Transaction,
    action: str,
    origin: Origin,
    *,
    actor: str | None,
    subject: str | None,
    session_id: str | None = None,
    **details: str | int,
) -> None:
    """Record an action of `actor` on the account of `subject`.

    Addresses stay in the trail; the log line has none.
    """
    entry = AuditEntry(
        id=new_id(),
        action=action,
        actor=actor,
        subject=subject,
        session_id=session_id,
        address=origin.address,
        user_agent=origin.user_agent,
        details=details,
        trace_id=telemetry.trace_id.get(),
        role=ADMIN
        if actor not in (None, subject)
        else None,  # no other role changes another user's account
    )
    await audit.append(tx, entry)
    log.info("audit", action=action, actor=actor, subject=subject, session_id=session_id, **details)


async def record_act(tx: Transaction, act: Act | None) -> None:
    """Record an act of staff in this service: the audit is its table of acts."""
    if act is not None:
        actor = act.actor
        entry = _entry_of(
            act.id, act.name, actor.id, actor.role, act.subject, act.what, actor.trace_id
        )
        await audit.append(tx, replace(entry, address=actor.address))
        log.info("act", act=act.name, actor=actor.id, role=actor.role, subject=act.subject)


async def record_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Record acts of staff in other services, from their events."""
    for event in events:
        act = msgspec.convert(event.data, ActRecorded)
        trace = telemetry.parse_traceparent(event.traceparent) or ""
        entry = _entry_of(event.subject, act.act, act.actor, act.role, act.subject, act.what, trace)
        service = event.source.removeprefix("/valerix/")
        await audit.append(tx, replace(entry, service=service, occurred_at=event.time))


def _entry_of(
    act_id: str, name: str, actor: str, role: str, subject: str, what: dict[str, Any], trace_id: str
) -> AuditEntry:
    """The entry of an act, under the act's own id."""
    return AuditEntry(act_id, name, actor, subject, None, None, None, trace_id, what, role=role)


class AuditTrail:
    """The audit trail, as administrators read it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, wanted: AuditFilter) -> list[AuditEntry]:
        """List entries, newest first."""
        async with self._database.connection() as connection:
            return await audit.list_entries(connection, wanted)

    async def record(self, act: RecordAct, actor: Actor) -> None:
        """Record an act in a service without a table for acts. An existing entry stays as it is."""
        entry = _entry_of(
            act.id, act.act, actor.id, actor.role, act.subject, act.what, actor.trace_id
        )
        entry = replace(entry, address=act.address, service=act.service)
        await self._database.repeat(lambda tx: audit.append(tx, entry))
        log.info("act", act=act.act, actor=actor.id, role=actor.role, subject=act.subject)

    async def forget_old(self) -> None:
        """Delete old entries. Addresses are personal data: none is kept for longer than a year."""
        async with self._database.connection() as connection:
            await audit.delete_older_than_a_year(connection)
