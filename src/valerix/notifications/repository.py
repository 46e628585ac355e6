"""All SQL of the notifications service: one function, one statement."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from valerix.chassis.postgres.database import Transaction, Where
from valerix.chassis.postgres.rows import Reader, Rows
from valerix.contracts.states import NotificationStatus, sql
from valerix.notifications.domain import Contact, Notification

# Any two constants: one transaction at a time writes live events, one at a time claims messages.
_LIVE_LOCK = 7_221_905_201
_QUEUE_LOCK = 7_221_905_202
_QUEUED = sql(NotificationStatus.QUEUED)
TOO_LATE = "too late"


class Outcome(NamedTuple):
    """Result of one attempt. `status` queued: try again after `delay`."""

    id: str
    status: NotificationStatus
    delay: timedelta | None = None
    error: str | None = None


class Due(NamedTuple):
    """A message to send now. `email` is None when the recipient's address is unknown."""

    notification: Notification
    email: str | None


class DeliveryClaim(NamedTuple):
    """Messages that only this process may send now. `id`: None when there are none.

    `looked_at`: number of due messages, claimed or put off.
    """

    id: int | None
    messages: list[Due]
    looked_at: int


class LiveEvent(NamedTuple):
    """One live event. `message` is the JSON without the id; clients see it with the id."""

    id: int
    owner: str | None
    message: str


_NOTIFICATION = Reader(Notification, "n", id=str)
_LIVE_EVENT = Reader(LiveEvent)
_QUEUING = Rows(
    Notification,
    """id uuid, event_id text, channel text, template text, recipient text, subject text, body text,
       created_at timestamptz""",
)
_OUTCOMES = Rows(Outcome, "id uuid, status text, delay interval, error text", alias="o", first=2)
_CONTACTS = Rows(Contact, "customer_id text, name text, email text, sequence bigint")


# --- notifications


async def insert_notifications(tx: Transaction, notifications: Sequence[Notification]) -> None:
    """Queue messages, except those that exist already.

    Sorted, so that two transactions cannot wait for each other.
    """
    rows = sorted(notifications, key=lambda n: n.id)
    await tx.execute(
        f"""
        INSERT INTO notifications ({_QUEUING.names}, next_attempt_at)
        SELECT t.*, t.created_at FROM {_QUEUING.unnest}
        ON CONFLICT (id) DO NOTHING
        """,
        *_QUEUING.arrays(rows),
    )


async def insert_skipped(tx: Transaction, notifications: Sequence[Notification]) -> None:
    """Record messages that are too late to be sent, except those that exist already.

    Sorted, as above.
    """
    rows = sorted(notifications, key=lambda n: n.id)
    await tx.execute(
        f"""
        INSERT INTO notifications ({_QUEUING.names}, status, last_error)
        SELECT t.*, {sql(NotificationStatus.SKIPPED)}, '{TOO_LATE}' FROM {_QUEUING.unnest}
        ON CONFLICT (id) DO NOTHING
        """,
        *_QUEUING.arrays(rows),
    )


async def insert_requested(
    tx: Transaction, notification: Notification, key: bytes | None, fingerprint: bytes | None
) -> bool:
    """Queue a requested message; False when its idempotency key was used before."""
    inserted = await tx.fetchval(
        """
        INSERT INTO notifications (id, channel, template, recipient, subject, body,
                                   created_at, next_attempt_at, idempotency_key, fingerprint)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)
        ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING true
        """,
        notification.id,
        notification.channel,
        notification.template,
        notification.recipient,
        notification.subject,
        notification.body,
        notification.created_at,
        key,
        fingerprint,
    )
    return bool(inserted)


async def find_by_key(tx: Transaction, key: bytes) -> tuple[Notification, bytes] | None:
    """The message requested under an idempotency key, with the fingerprint of its request."""
    row = await tx.fetchrow(
        f"""
        SELECT {_NOTIFICATION.columns}, n.fingerprint FROM notifications n
        WHERE n.idempotency_key = $1
        """,
        key,
    )
    return None if row is None else (_NOTIFICATION.read(row), row["fingerprint"])


async def find_notification(
    tx: Transaction, notification_id: str, recipient: str | None
) -> Notification | None:
    """One message, if it is addressed to `recipient`; None: to any recipient."""
    row = await tx.fetchrow(
        f"""
        SELECT {_NOTIFICATION.columns} FROM notifications n
        WHERE id = $1 AND ($2::text IS NULL OR recipient = $2)
        """,
        notification_id,
        recipient,
    )
    return None if row is None else _NOTIFICATION.read(row)


async def list_notifications(
    tx: Transaction,
    *,
    limit: int,
    before: str | None,
    recipient: str | None,
    status: NotificationStatus | None,
    channel: str | None,
) -> list[Notification]:
    """Messages to `recipient`, newest first; None: to any recipient."""
    where = Where(limit)
    where.add("id < ?::uuid", before)
    where.add("recipient = ?", recipient)
    where.add("status = ?", status)
    where.add("channel = ?", channel)
    rows = await tx.fetch(
        f"""
        SELECT {_NOTIFICATION.columns} FROM notifications n {where.clause}
        ORDER BY id DESC LIMIT $1
        """,
        *where.arguments,
    )
    return [_NOTIFICATION.read(row) for row in rows]


# --- the queue


async def lock_queue(tx: Transaction) -> None:
    """Allow one claim at a time.

    Otherwise two replicas could both use the rest of a recipient's hourly limit.
    """
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _QUEUE_LOCK)


async def claim_due(
    tx: Transaction, limit: int, lease: timedelta, hourly_limit: int
) -> DeliveryClaim:
    """Take over due messages, oldest first, for `lease`.

    Each recipient gets at most `hourly_limit` messages per hour and channel. The others are put off
    until the oldest one sent leaves the hour. Take `lock_queue` first. A message that is settled at
    the same moment has another `next_attempt_at` by then and is not put off.
    """
    rows = await tx.fetch(
        f"""
        WITH lapsed AS (
            DELETE FROM claims WHERE lapses_at <= now()
        ), busy AS MATERIALIZED (
            SELECT unnest(messages) AS id FROM claims WHERE lapses_at > now()
        ), under_way AS MATERIALIZED (
            SELECT channel, recipient, count(*) AS places FROM busy JOIN notifications USING (id)
            WHERE status = {_QUEUED} GROUP BY channel, recipient
        ), due AS MATERIALIZED (
            SELECT n.* FROM notifications n
            WHERE n.status = {_QUEUED} AND n.next_attempt_at <= now()
              AND n.id NOT IN (SELECT id FROM busy)
            ORDER BY n.next_attempt_at, n.id LIMIT $1
        ), decided AS MATERIALIZED (
            SELECT d.*, taken.first,
                   taken.places + coalesce(u.places, 0)
                   + row_number() OVER (PARTITION BY d.channel, d.recipient
                                        ORDER BY d.next_attempt_at, d.id) <= $3 AS fits
            FROM due d LEFT JOIN under_way u USING (channel, recipient) CROSS JOIN LATERAL (
                SELECT count(*) AS places, min(sent_at) AS first FROM (
                    SELECT s.sent_at FROM notifications s
                    WHERE s.channel = d.channel AND s.recipient = d.recipient
                      AND s.sent_at > now() - interval '1 hour'
                    ORDER BY s.sent_at LIMIT $3
                ) sent
            ) taken
        ), put_off AS (
            UPDATE notifications n
            SET next_attempt_at = coalesce(d.first + interval '1 hour', now() + interval '1 min')
            FROM decided d
            WHERE NOT d.fits AND n.id = d.id AND n.next_attempt_at = d.next_attempt_at
        ), claimed AS (
            INSERT INTO claims (messages, lapses_at)
            SELECT array_agg(id), now() + $2 FROM decided WHERE fits
            HAVING count(*) > 0 RETURNING id
        )
        SELECT {_NOTIFICATION.columns}, k.email, n.fits, c.id AS claim
        FROM decided n
        LEFT JOIN claimed c ON true
        LEFT JOIN contacts k ON k.customer_id = n.recipient
        """,
        limit,
        lease,
        hourly_limit,
    )
    messages = [Due(_NOTIFICATION.read(row), row["email"]) for row in rows if row["fits"]]
    return DeliveryClaim(rows[0]["claim"] if rows else None, messages, len(rows))


async def settle(tx: Transaction, claim_id: int, outcomes: Sequence[Outcome]) -> None:
    """Write the outcomes of a claim, unless it had lapsed and another process has claimed since.

    `next_attempt_at` says which messages are queued: a condition on the status makes the planner
    read the whole queue for each of them.
    """
    await tx.execute(
        f"""
        WITH ended AS (
            DELETE FROM claims WHERE id = $1 RETURNING id
        )
        UPDATE notifications n
        SET status = o.status, attempts = n.attempts + 1, last_error = o.error,
            next_attempt_at = now() + o.delay,
            sent_at = CASE WHEN o.status = {sql(NotificationStatus.SENT)} THEN now() END
        FROM ended, {_OUTCOMES.unnest}
        WHERE n.id = o.id AND n.next_attempt_at IS NOT NULL
        """,
        claim_id,
        *_OUTCOMES.arrays(outcomes),
    )


async def skip_stale(tx: Transaction, age: timedelta) -> None:
    """Skip messages that have waited so long that they are of no use. Take `lock_queue` first."""
    await tx.execute(
        f"""
        UPDATE notifications SET status = {sql(NotificationStatus.SKIPPED)}, next_attempt_at = NULL,
            last_error = coalesce(last_error, '{TOO_LATE}')
        WHERE status = {_QUEUED} AND next_attempt_at <= now() AND created_at < now() - $1::interval
          AND id NOT IN (SELECT unnest(messages) FROM claims WHERE lapses_at > now())
        """,
        age,
    )


async def count_queued(tx: Transaction) -> int:
    """Number of messages waiting to be sent."""
    return int(await tx.fetchval(f"SELECT count(*) FROM notifications WHERE status = {_QUEUED}"))


# --- contacts


async def upsert_contacts(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """Remember the addresses of customers; each customer at most once in `contacts`."""
    rows = sorted(contacts)
    await tx.execute(
        f"""
        INSERT INTO contacts AS k ({_CONTACTS.names}) SELECT * FROM {_CONTACTS.unnest}
        ON CONFLICT (customer_id) DO UPDATE
        SET name = excluded.name, email = excluded.email, sequence = excluded.sequence
        WHERE k.sequence < excluded.sequence
        """,
        *_CONTACTS.arrays(rows),
    )


# --- live events


async def lock_live_events(tx: Transaction) -> None:
    """Exclude other writers of live events until the commit: ids become visible in order."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LIVE_LOCK)


async def insert_live_events(
    tx: Transaction, owners: Sequence[str | None], messages: Sequence[str]
) -> None:
    """Append live events in this order; at least one. Take `lock_live_events` first."""
    await tx.execute(
        """
        INSERT INTO live_batches (first, last, owners, messages)
        SELECT coalesce(max(last), 0) + 1, coalesce(max(last), 0) + cardinality($1::text[]),
               $1, $2::text[]
        FROM live_batches
        """,
        owners,
        messages,
    )


async def list_live_events(
    tx: Transaction, *, after: int, owner: str | None, limit: int
) -> list[LiveEvent]:
    """Live events with an id above `after` that `owner` may see, oldest first; None: all."""
    rows = await tx.fetch(
        """
        SELECT b.first + t.place - 1 AS id, t.owner, t.message
        FROM live_batches b
        CROSS JOIN unnest(b.owners, b.messages) WITH ORDINALITY AS t(owner, message, place)
        WHERE b.last > $1 AND b.first + t.place - 1 > $1
          AND ($2::text IS NULL OR b.owners @> ARRAY[$2] AND t.owner = $2)
        ORDER BY b.last, t.place LIMIT $3
        """,
        after,
        owner,
        limit,
    )
    return [_LIVE_EVENT.read(row) for row in rows]


async def find_live_bounds(tx: Transaction) -> tuple[int, int]:
    """Ids of the first and the last live event that is kept; 0 and 0 before the first event."""
    row = await tx.fetchrow(
        """
        SELECT coalesce((SELECT first FROM live_batches ORDER BY last LIMIT 1), 0) AS first,
               coalesce((SELECT max(last) FROM live_batches), 0) AS last
        """
    )
    assert row is not None  # noqa: S101 - without FROM there is one row
    return row["first"], row["last"]


async def prune_live_events(tx: Transaction, keep: int) -> None:
    """Delete all but about the last `keep`. The very last stays, because ids continue from it."""
    await tx.execute(
        """
        DELETE FROM live_batches
        WHERE last < (SELECT max(last) FROM live_batches) - greatest($1 - 1, 0)
        """,
        keep,
    )
