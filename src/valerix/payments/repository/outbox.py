"""The statement that reads the outbox."""

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader

_ENTRY = Reader(Entry)


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first `limit` outbox rows, in order."""
    rows = await tx.fetch(
        """
        SELECT o.id AS row_id, e.type AS name, e.payment_id::text AS subject, e.version AS sequence,
               e.occurred_at AS time, e.trace_id, e.data::text AS data
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL unnest(o.subjects, o.versions)
                WITH ORDINALITY AS r (subject, version, place)
            JOIN payment_events e ON e.payment_id = r.subject AND e.version = r.version
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [_ENTRY.read(row) for row in rows]
