"""Statements of accounts and their history."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.ids import find_ids
from valerix.users.domain import AccountCredentials, EmailTaken, User

MOST_MATCHING: Final = 1000
"""Maximum number of customers read as candidates, however common a name is."""
_USER, _ENTRY = Reader(User, id=str), Reader(Entry)


async def next_customer_number(tx: Transaction) -> int:
    """A customer number never used before; a registration that fails leaves a gap."""
    number: int = await tx.fetchval("SELECT nextval('customer_numbers')")
    return number


async def skip_customer_numbers(tx: Transaction, last: int) -> None:
    """Skip the numbers up to `last`, which are given by hand.

    Takes effect at once, like all changes of sequences.
    """
    await tx.execute(
        """
        SELECT setval('customer_numbers',
                      greatest($1, (SELECT last_value FROM customer_numbers)))
        """,
        last,
    )


async def insert_user(
    tx: Transaction,
    user_id: str,
    *,
    email: str,
    name: str,
    role: str,
    status: str,
    customer_number: str | None,
    password_hash: str,
) -> User | None:
    """Insert a user. None when the e-mail address or the customer number is in use."""
    row = await tx.fetchrow(
        f"""
        INSERT INTO users (id, email, name, role, status, customer_number, password_hash, version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 1)
        ON CONFLICT DO NOTHING
        RETURNING {_USER.columns}
        """,
        user_id,
        email,
        name,
        role,
        status,
        customer_number,
        password_hash,
    )
    return _USER.read(row) if row else None


async def append_event(
    tx: Transaction, user_id: str, version: int, kind: str, data: str, actor: str, trace: str
) -> None:
    """Append an event to the history of a user. `data`: JSON."""
    await tx.execute(
        """
        INSERT INTO user_events (user_id, version, type, data, actor, trace_id)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        user_id,
        version,
        kind,
        data,
        actor,
        trace,
    )


async def find_credentials(tx: Transaction, email: str) -> AccountCredentials | None:
    """Find the credentials of the user with this address."""
    row = await tx.fetchrow(
        f"SELECT {_USER.columns}, password_hash, device_secret FROM users WHERE email = $1", email
    )
    return _credentials(row) if row else None


async def hold_credentials(tx: Transaction, user_id: str) -> AccountCredentials | None:
    """Find the credentials by id, locked: no other transaction changes them until this one ends."""
    row = await tx.fetchrow(
        f"SELECT {_USER.columns}, password_hash, device_secret FROM users WHERE id = $1 FOR SHARE",
        user_id,
    )
    return _credentials(row) if row else None


def _credentials(row: asyncpg.Record) -> AccountCredentials:
    return AccountCredentials(_USER.read(row), row["password_hash"], row["device_secret"])


async def find_user(tx: Transaction, user_id: str, viewer: str | None) -> User | None:
    """Find the user, if `viewer` (a user id; None: all users) may see it."""
    row = await tx.fetchrow(
        f"SELECT {_USER.columns} FROM users WHERE id = $1 AND ($2::uuid IS NULL OR id = $2)",
        user_id,
        viewer,
    )
    return _USER.read(row) if row else None


async def update_profile(
    tx: Transaction, user_id: str, name: str, email: str, version: int | None
) -> User | None:
    """Update a profile. None when the user is no longer at `version`. Raises EmailTaken."""
    try:
        row = await tx.fetchrow(
            f"""
            UPDATE users
            SET name = $2, email = $3, email_confirmed = email_confirmed AND email = $3,
                version = version + 1, updated_at = now()
            WHERE id = $1 AND ($4::integer IS NULL OR version = $4)
            RETURNING {_USER.columns}
            """,
            user_id,
            name,
            email,
            version,
        )
    except asyncpg.UniqueViolationError:
        raise EmailTaken from None
    return _USER.read(row) if row else None


async def confirm_email(tx: Transaction, user_id: str) -> User | None:
    """Confirm the address of a user. None when it was confirmed before."""
    row = await tx.fetchrow(
        f"""
        UPDATE users SET email_confirmed = true, version = version + 1, updated_at = now()
        WHERE id = $1 AND NOT email_confirmed
        RETURNING {_USER.columns}
        """,
        user_id,
    )
    return _USER.read(row) if row else None


async def update_status(tx: Transaction, user_id: str, status: str) -> User | None:
    """Update the status. None when the user has this status already, or does not exist."""
    row = await tx.fetchrow(
        f"""
        UPDATE users SET status = $2, version = version + 1, updated_at = now()
        WHERE id = $1 AND status <> $2
        RETURNING {_USER.columns}
        """,
        user_id,
        status,
    )
    return _USER.read(row) if row else None


async def update_role(
    tx: Transaction, user_id: str, role: str, customer_number: str | None
) -> User | None:
    """Update the role. None when the user has this role already, or does not exist.

    `customer_number`: for a user without one.
    """
    row = await tx.fetchrow(
        f"""
        UPDATE users SET role = $2, customer_number = coalesce(customer_number, $3),
            version = version + 1, updated_at = now()
        WHERE id = $1 AND role <> $2
        RETURNING {_USER.columns}
        """,
        user_id,
        role,
        customer_number,
    )
    return _USER.read(row) if row else None


async def update_password(tx: Transaction, user_id: str, old_hash: str, new_hash: str) -> bool:
    """Replace the password. False when it is no longer the old one."""
    changed = await tx.fetchval(
        """
        UPDATE users SET password_hash = $3, updated_at = now()
        WHERE id = $1 AND password_hash = $2 RETURNING 1
        """,
        user_id,
        old_hash,
        new_hash,
    )
    return changed is not None


async def reset_password(tx: Transaction, user_id: str, new_hash: str) -> None:
    """Set a password, whatever it was before. Devices that signed in before are forgotten."""
    await tx.execute(
        """
        UPDATE users SET password_hash = $2, updated_at = now(),
            device_secret = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
        WHERE id = $1
        """,
        user_id,
        new_hash,
    )


async def advance_version(tx: Transaction, user_id: str) -> User:
    """Advance the version of a user, for an event that changes nothing else."""
    row = await tx.fetchrow(
        f"UPDATE users SET version = version + 1 WHERE id = $1 RETURNING {_USER.columns}",
        user_id,
    )
    assert row is not None  # noqa: S101 - users are never deleted
    return _USER.read(row)


async def hold_user(tx: Transaction, user_id: str) -> User | None:
    """Lock a user: no other transaction changes it until this one ends."""
    row = await tx.fetchrow(f"SELECT {_USER.columns} FROM users WHERE id = $1 FOR UPDATE", user_id)
    return _USER.read(row) if row else None


async def hold_administrators(tx: Transaction) -> list[str]:
    """Lock the active administrators, and return their ids.

    No other transaction takes one away until this one ends.
    """
    rows = await tx.fetch(
        """
        SELECT id::text FROM users WHERE role = 'admin' AND status = 'active'
        ORDER BY users.id FOR UPDATE
        """
    )
    return [row["id"] for row in rows]


async def list_users(
    tx: Transaction,
    *,
    limit: int,
    before: str | None,
    search: str | None,
    role: str | None,
    status: str | None,
) -> list[User]:
    """List users with ids below `before`, newest first.

    `search` is part of a name or address, the beginning or end of an id, or a customer number.
    """
    begin, end = find_ids(search or "")
    rows = await tx.fetch(
        f"""
        SELECT {_USER.columns} FROM users
        WHERE ($2::uuid IS NULL OR id < $2)
          AND ($3::text IS NULL
               OR strpos(lower(name), lower($3)) > 0 OR strpos(email, lower($3)) > 0
               OR customer_number = upper($3) OR id::text LIKE $6
               OR (id BETWEEN $7::uuid AND $8::uuid AND id::text LIKE $9))
          AND ($4::text IS NULL OR role = $4)
          AND ($5::text IS NULL OR status = $5)
        ORDER BY users.id DESC
        LIMIT $1
        """,
        limit,
        before,
        search,
        role,
        status,
        end and end.pattern,
        *(begin or (None, None, None)),
    )
    return [_USER.read(row) for row in rows]


async def list_numbers_by_words(tx: Transaction, words: Sequence[str], limit: int) -> list[str]:
    """List numbers of customers by words of their names and addresses.

    For each of `words` (lower case), a word of the name or address begins with it. Customers with
    exactly this name or address come first, then the newest. If very many match, some are left out.
    """
    rows = await tx.fetch(
        """
        SELECT customer_number AS number FROM (
            SELECT * FROM users
            WHERE array_to_tsvector(array_remove(
                      string_to_array(lower(name) || ' ' || email, ' '), '')) @@ $1::tsquery
              AND customer_number IS NOT NULL LIMIT $4) AS matching
        ORDER BY lower(name) = $2 OR email = $2 DESC, id DESC LIMIT $3
        """,
        " & ".join(f"{_lexeme(word)}:*" for word in words),
        " ".join(words),
        limit,
        MOST_MATCHING,
    )
    return [row["number"] for row in rows]


def _lexeme(word: str) -> str:
    """A word of a tsquery, quoted so that it is taken literally."""
    doubled = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


async def list_taken_emails(tx: Transaction, emails: Sequence[str]) -> set[str]:
    """The addresses among `emails` that have an account."""
    return {
        row["email"]
        for row in await tx.fetch("SELECT email FROM users WHERE email = ANY($1::text[])", emails)
    }


async def find_customer(tx: Transaction, number: str, viewer: str | None) -> User | None:
    """Find the customer, if `viewer` (a customer number; None: all customers) may see it."""
    row = await tx.fetchrow(
        f"""
        SELECT {_USER.columns} FROM users
        WHERE customer_number = $1 AND ($2::text IS NULL OR customer_number = $2)
        """,
        number,
        viewer,
    )
    return _USER.read(row) if row else None


async def list_customer_statuses(tx: Transaction, numbers: Sequence[str]) -> list[str | None]:
    """The status of each customer, in the order of `numbers`; None: no such customer."""
    rows = await tx.fetch(
        """
        SELECT u.status FROM unnest($1::text[]) WITH ORDINALITY AS asked(number, place)
        LEFT JOIN users u ON u.customer_number = asked.number
        ORDER BY asked.place
        """,
        numbers,
    )
    return [row["status"] for row in rows]


async def list_outgoing(tx: Transaction, limit: int) -> list[Entry]:
    """The events of the first `limit` outbox rows, in order."""
    rows = await tx.fetch(
        """
        SELECT o.id AS row_id, e.type AS name, e.user_id::text AS subject, e.version AS sequence,
               e.occurred_at AS time, e.trace_id, e.data::text AS data
        FROM (SELECT * FROM outbox ORDER BY id LIMIT $1) o
            CROSS JOIN LATERAL unnest(o.subjects, o.versions)
                WITH ORDINALITY AS r (subject, version, place)
            JOIN user_events e ON e.user_id = r.subject AND e.version = r.version
        ORDER BY o.id, r.place
        """,
        limit,
    )
    return [_ENTRY.read(row) for row in rows]
