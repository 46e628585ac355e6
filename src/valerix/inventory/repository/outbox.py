"""The statement that reads the outbox."""

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader

_ENTRY = Reader(Entry)


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first `limit` outbox rows, in order."""
    rows = await tx.fetch(
        """
        SELECT o.id AS row_id, e->>0 AS name, e->>1 AS subject, (e->>2)::bigint AS sequence,
               (e->>3)::timestamptz AS time, e->>4 AS trace_id, (e->5)::text AS data
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL json_array_elements(o.events) WITH ORDINALITY AS r (e, place)
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [_ENTRY.read(row) for row in rows]
