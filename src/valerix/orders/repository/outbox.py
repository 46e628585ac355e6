"""The statement that reads the outbox."""

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first outbox rows."""
    rows = await tx.fetch(
        """
        SELECT o.id, e.type, e.order_id::text, e.version, e.occurred_at, e.trace_id, e.data::text
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL unnest(o.subjects, o.versions) WITH ORDINALITY AS r (subject, version, place)
            JOIN order_events e ON e.order_id = r.subject AND e.version = r.version
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [Entry(*row) for row in rows]
