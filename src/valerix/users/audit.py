"""The audit: what concerns the security of accounts, in the transaction of the deed; and what staff did everywhere."""

from collections.abc import Sequence

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
    """`actor` did it to the account of `subject`. Addresses stay in the trail; the log line has none."""
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
        role=ADMIN if actor not in (None, subject) else None,  # no other role changes another user's account
    )
    await audit.append(tx, entry)
    log.info("audit", action=action, actor=actor, subject=subject, session_id=session_id, **details)


async def record_act(tx: Transaction, act: Act | None) -> None:
    """An act of staff in this service: its table of acts is the audit."""
    if act is not None:
        actor = act.actor
        entry = AuditEntry(
            id=act.id,
            action=act.name,
            actor=actor.id,
            subject=act.subject,
            session_id=None,
            address=actor.address,
            user_agent=None,
            trace_id=actor.trace_id,
            details=act.what,
            role=actor.role,
        )
        await audit.append(tx, entry)
        log.info("act", act=act.name, actor=actor.id, role=actor.role, subject=act.subject)


async def record_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Acts of staff in other services, from their events."""
    for event in events:
        act = msgspec.convert(event.data, ActRecorded)
        entry = AuditEntry(
            id=event.subject,
            action=act.act,
            actor=act.actor,
            subject=act.subject,
            session_id=None,
            address=None,
            user_agent=None,
            trace_id=telemetry.parse_traceparent(event.traceparent) or "",
            details=act.what,
            occurred_at=event.time,
            service=event.source.removeprefix("/valerix/"),
            role=act.role,
        )
        await audit.append(tx, entry)


class AuditTrail:
    """What administrators read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, asked: AuditFilter) -> list[AuditEntry]:
        """Newest first."""
        async with self._database.connection() as lane:
            return await audit.list_entries(lane, asked)

    async def record(self, act: RecordAct, actor: Actor) -> None:
        """An act in a service without a table for it; one that came before is left as it is."""
        entry = AuditEntry(
            id=act.id,
            action=act.act,
            actor=actor.id,
            subject=act.subject,
            session_id=None,
            address=act.address,
            user_agent=None,
            trace_id=actor.trace_id,
            details=act.what,
            service=act.service,
            role=actor.role,
        )
        await self._database.repeat(lambda tx: audit.append(tx, entry))
        log.info("act", act=act.act, actor=actor.id, role=actor.role, subject=act.subject)

    async def forget_old(self) -> None:
        """Addresses are personal data: none is kept for longer than a year."""
        async with self._database.connection() as lane:
            await audit.delete_older_than_a_year(lane)
