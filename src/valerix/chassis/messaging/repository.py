"""Statements of the inbox, of the relay and of acts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.acts import Actor, RecordedAct
from valerix.contracts.events import ACT_RECORDED

_LOCK = 7_221_905_102  # any constant: one relay at a time per database keeps the order
_ACTS_LOCK = 7_221_905_103


class DeadLetter(msgspec.Struct, frozen=True, rename="camel"):
    """An event that could not be processed, with the error."""

    id: int
    """Counts per consumer."""
    consumer: str
    event: dict[str, Any]
    """The CloudEvent as it arrived."""
    error: str
    attempts: int
    failed_at: datetime
    replayed_at: datetime | None
    """Null until a replay has processed it."""


class Entry(NamedTuple):
    """One event of one outbox row, read back from the service's history. `data` is JSON text."""

    row_id: int
    name: str
    subject: str
    sequence: int
    time: datetime
    trace_id: str
    data: str


class Act(NamedTuple):
    """A record of a change by staff.

    Its `id` makes it unique, however often the change is retried.
    """

    id: str
    name: str
    actor: Actor
    subject: str
    what: dict[str, Any]


_DEAD, _ENTRY, _ACT = Reader(DeadLetter), Reader(Entry), Reader(RecordedAct, id=str)
_SELECT_DEAD = (
    "SELECT id, consumer, event, error, attempts, failed_at, replayed_at FROM dead_letters"
)


class InboxRepository:
    """Marks of processed messages, and dead letters."""

    async def mark(self, tx: Transaction, consumer: str, ids: Sequence[str]) -> set[str]:
        """Marks `ids`; returns those that were not marked before.

        Sorted, so that two consumers cannot wait for each other in a circle.
        """
        rows = await tx.fetch(
            """INSERT INTO inbox (consumer, message_id) SELECT $1, unnest($2::text[])
            ON CONFLICT DO NOTHING RETURNING message_id""",
            consumer,
            sorted(ids),
        )
        return {row["message_id"] for row in rows}

    async def is_marked(self, tx: Transaction, consumer: str, message_id: str) -> bool:
        found = await tx.fetchval(
            "SELECT 1 FROM inbox WHERE consumer = $1 AND message_id = $2", consumer, message_id
        )
        return found is not None

    async def delete_marks(self, tx: Transaction, consumer: str, days: int) -> None:
        """Deletes marks that are older than `days`."""
        await tx.execute(
            "DELETE FROM inbox"
            " WHERE consumer = $1 AND received_at < now() - make_interval(days => $2)",
            consumer,
            days,
        )

    async def insert_dead(
        self, tx: Transaction, consumer: str, event: object, error: str, attempts: int
    ) -> None:
        await tx.execute(
            "INSERT INTO dead_letters (consumer, event, error, attempts) VALUES ($1, $2, $3, $4)",
            consumer,
            event,
            error,
            attempts,
        )

    async def list_dead(
        self, tx: Transaction, consumer: str, after: int, limit: int, *, waiting: bool
    ) -> list[DeadLetter]:
        """Oldest first; `waiting`: without the replayed ones."""
        rows = await tx.fetch(
            f"""{_SELECT_DEAD}
            WHERE consumer = $1 AND id > $2 AND NOT ($4 AND replayed_at IS NOT NULL)
            ORDER BY id LIMIT $3""",
            consumer,
            after,
            limit,
            waiting,
        )
        return [_DEAD.read(row) for row in rows]

    async def find_dead(self, tx: Transaction, consumer: str, letter_id: int) -> DeadLetter | None:
        row = await tx.fetchrow(
            f"{_SELECT_DEAD} WHERE consumer = $1 AND id = $2", consumer, letter_id
        )
        return None if row is None else _DEAD.read(row)

    async def claim_dead(
        self, tx: Transaction, consumer: str, letter_id: int
    ) -> dict[str, Any] | None:
        """Marks a dead letter as replayed and returns its event.

        Returns None when it does not exist or was replayed before.
        """
        event: dict[str, Any] | None = await tx.fetchval(
            """UPDATE dead_letters SET replayed_at = now()
            WHERE consumer = $1 AND id = $2 AND replayed_at IS NULL RETURNING event""",
            consumer,
            letter_id,
        )
        return event


class RelayRepository:
    """The lock of the relay, and the removal of published rows."""

    def __init__(self, lock: int = _LOCK) -> None:
        self._lock = lock

    async def lock(self, connection: Transaction) -> bool:
        """Takes the relay's lock for as long as this connection lives.

        Returns False while another relay holds it.
        """
        locked: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock)
        return locked

    async def unlock(self, connection: Transaction) -> None:
        await connection.execute("SELECT pg_advisory_unlock($1)", self._lock)

    async def delete_rows(self, connection: Transaction, ids: Sequence[int]) -> None:
        await connection.execute("DELETE FROM outbox WHERE id = ANY($1::bigint[])", ids)


class ActsRepository(RelayRepository):
    """Acts. The table serves as their outbox, too. A published act stays on record."""

    async def insert_act(self, tx: Transaction, act: Act) -> None:
        """Puts an act on record, unless it is there already."""
        await tx.execute(
            """
            INSERT INTO acts (id, act, actor, role, address, trace_id, subject, what)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING
            """,
            act.id,
            act.name,
            act.actor.id,
            act.actor.role,
            act.actor.address,
            act.actor.trace_id,
            act.subject,
            act.what,
        )

    async def list_of_subjects(self, tx: Transaction, subjects: Sequence[str]) -> list[RecordedAct]:
        """Every act on these subjects, oldest first."""
        rows = await tx.fetch(
            f"SELECT {_ACT.columns} FROM acts WHERE subject = ANY($1::text[]) ORDER BY acts.number",
            subjects,
        )
        return [_ACT.read(row) for row in rows]

    async def list_of_traces(self, tx: Transaction, traces: Sequence[str]) -> list[RecordedAct]:
        """Every act of the requests with these trace ids, oldest first."""
        rows = await tx.fetch(
            f"SELECT {_ACT.columns} FROM acts WHERE trace_id = ANY($1::text[])"
            " ORDER BY acts.number",
            traces,
        )
        return [_ACT.read(row) for row in rows]

    async def list_outgoing(self, tx: Transaction, limit: int) -> list[Entry]:
        """The first unpublished acts, as events. Without addresses: the bus carries none."""
        rows = await tx.fetch(
            """
            SELECT number AS row_id, $2::text AS name, id::text AS subject, 1 AS sequence,
                   occurred_at AS time, trace_id,
                   json_build_object('act', act, 'actor', actor, 'role', role, 'subject', subject,
                                     'what', what)::text AS data
            FROM acts WHERE NOT emitted ORDER BY number LIMIT $1
            """,
            limit,
            ACT_RECORDED,
        )
        return [_ENTRY.read(row) for row in rows]

    async def delete_rows(self, connection: Transaction, ids: Sequence[int]) -> None:
        """Marks the acts as published. Overrides the removal of rows."""
        await connection.execute(
            "UPDATE acts SET emitted = true WHERE number = ANY($1::bigint[])", ids
        )

    async def forget_addresses(self, tx: Transaction) -> None:
        """Removes the addresses of acts that are older than a year."""
        await tx.execute(
            "UPDATE acts SET address = NULL"
            " WHERE address IS NOT NULL AND occurred_at < now() - interval '1 year'"
        )


INBOX, RELAY, ACTS = InboxRepository(), RelayRepository(), ActsRepository(_ACTS_LOCK)
