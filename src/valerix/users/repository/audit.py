"""Statements of the audit trail: rows are added and read."""

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.users.domain import AuditEntry, AuditFilter

_ENTRY = Reader(AuditEntry, id=str)


async def append(tx: Transaction, entry: AuditEntry) -> None:
    """Add an entry, unless it is there already."""
    await tx.execute(
        """
        INSERT INTO audit (id, action, actor, subject, session_id, address, user_agent, details,
                           trace_id, service, role, occurred_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12, now()))
        ON CONFLICT (id) DO NOTHING
        """,
        entry.id,
        entry.action,
        entry.actor,
        entry.subject,
        entry.session_id,
        entry.address,
        entry.user_agent,
        entry.details,
        entry.trace_id,
        entry.service,
        entry.role,
        entry.occurred_at,
    )


async def list_entries(tx: Transaction, wanted: AuditFilter) -> list[AuditEntry]:
    """List entries, newest first."""
    rows = await tx.fetch(
        f"""
        SELECT {_ENTRY.columns} FROM audit
        WHERE ($2::uuid IS NULL OR id < $2)
          AND ($3::text IS NULL OR action = $3)
          AND ($4::text IS NULL OR actor = $4)
          AND ($5::text IS NULL OR subject = $5)
          AND ($6::timestamptz IS NULL OR occurred_at >= $6)
          AND ($7::timestamptz IS NULL OR occurred_at < $7)
          AND ($8::text IS NULL OR service = $8)
        ORDER BY audit.id DESC
        LIMIT $1
        """,
        wanted.limit,
        wanted.before,
        wanted.action,
        wanted.actor,
        wanted.subject,
        wanted.first,
        wanted.last,
        wanted.service,
    )
    return [_ENTRY.read(row) for row in rows]


async def delete_older_than_a_year(tx: Transaction) -> None:
    await tx.execute("DELETE FROM audit WHERE occurred_at < now() - interval '1 year'")
