"""What is put on record of everything that concerns somebody's security, in the transaction of the deed."""

import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.limits.origin import Origin
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.ids import new_id
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
    )
    await audit.append(tx, entry)
    log.info("audit", action=action, actor=actor, subject=subject, session_id=session_id, **details)


class AuditTrail:
    """What administrators read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, asked: AuditFilter) -> list[AuditEntry]:
        """Newest first."""
        async with self._database.connection() as lane:
            return await audit.list_entries(lane, asked)

    async def forget_old(self) -> None:
        """Addresses are personal data: none is kept for longer than a year."""
        async with self._database.connection() as lane:
            await audit.delete_older_than_a_year(lane)
