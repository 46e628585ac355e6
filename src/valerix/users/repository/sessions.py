"""Statements of sessions and their refresh tokens."""

from valerix.chassis.postgres.database import Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.revocations import RevokedSessions
from valerix.users.domain import Session, UsedToken

_SESSION = Reader(Session, id=str, user_id=str)
_USED_TOKEN = Reader(UsedToken, session_id=str, user_id=str)


async def insert_session(
    tx: Transaction,
    session_id: str,
    user_id: str,
    *,
    kind: str,
    csrf: str | None,
    user_agent: str,
    address: str,
    idle_days: float,
) -> Session:
    row = await tx.fetchrow(
        f"""
        INSERT INTO sessions (id, user_id, kind, csrf, user_agent, address, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7 * 86400))
        RETURNING {_SESSION.columns}
        """,
        session_id,
        user_id,
        kind,
        csrf,
        user_agent,
        address,
        idle_days,
    )
    assert row is not None  # noqa: S101 - RETURNING
    return _SESSION.read(row)


async def insert_refresh_token(tx: Transaction, hashed: bytes, session_id: str) -> None:
    await tx.execute(
        "INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)", hashed, session_id
    )


async def claim_refresh_token(tx: Transaction, hashed: bytes) -> str | None:
    """Use an unused token, and return the id of its session. The row lock lets one caller win."""
    session_id: str | None = await tx.fetchval(
        """
        UPDATE refresh_tokens SET used_at = now()
        WHERE hash = $1 AND used_at IS NULL RETURNING session_id::text
        """,
        hashed,
    )
    return session_id


async def find_used_token(
    tx: Transaction, hashed: bytes, leeway_seconds: float
) -> UsedToken | None:
    """Find a token that was used before, and whether that was within the leeway."""
    row = await tx.fetchrow(
        """
        SELECT t.session_id, s.user_id, s.kind,
               t.used_at > now() - make_interval(secs => $2) AS just_now
        FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
        WHERE t.hash = $1 AND t.used_at IS NOT NULL
        """,
        hashed,
        leeway_seconds,
    )
    return _USED_TOKEN.read(row) if row else None


async def touch_session(
    tx: Transaction, session_id: str, kind: str, address: str, *, idle_days: float, max_days: float
) -> Session | None:
    """Prolong a live session that was opened for this kind of client. None when there is none."""
    row = await tx.fetchrow(
        f"""
        UPDATE sessions SET last_used_at = now(), address = $3, expires_at = least(
            now() + make_interval(secs => $4 * 86400),
            created_at + make_interval(secs => $5 * 86400))
        WHERE id = $1 AND kind = $2 AND revoked_at IS NULL AND expires_at > now()
        RETURNING {_SESSION.columns}
        """,
        session_id,
        kind,
        address,
        idle_days,
        max_days,
    )
    return _SESSION.read(row) if row else None


async def list_live(tx: Transaction, user_id: str) -> list[Session]:
    """List the live sessions of one user, the last used first."""
    rows = await tx.fetch(
        f"""
        SELECT {_SESSION.columns} FROM sessions
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
        ORDER BY last_used_at DESC, id DESC
        """,
        user_id,
    )
    return [_SESSION.read(row) for row in rows]


async def revoke(tx: Transaction, session_id: str, user_id: str, reason: str) -> bool:
    """End one live session of a user; False when there is no such session."""
    ended = await tx.fetchval(
        """
        UPDATE sessions SET revoked_at = now(), revoked_for = $3
        WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()
        RETURNING 1
        """,
        session_id,
        user_id,
        reason,
    )
    return ended is not None


async def revoke_all(
    tx: Transaction, user_id: str, reason: str, spare: str | None = None
) -> list[str]:
    """End every live session of a user except `spare`; return the ids."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET revoked_at = now(), revoked_for = $2
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
          AND ($3::uuid IS NULL OR id <> $3)
        RETURNING id::text
        """,
        user_id,
        reason,
        spare,
    )
    return [row["id"] for row in rows]


async def revoke_surplus(tx: Transaction, user_id: str, keep: int) -> list[str]:
    """End all sessions of a user except the `keep` last used; return the ids."""
    rows = await tx.fetch(
        """
        UPDATE sessions SET revoked_at = now(), revoked_for = 'surplus'
        WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
                     ORDER BY last_used_at DESC OFFSET $2 FOR UPDATE SKIP LOCKED)
        RETURNING id::text
        """,
        user_id,
        keep,
    )
    return [row["id"] for row in rows]


async def list_revoked(
    tx: Transaction, since: float | None, overlap_seconds: float, window_seconds: float
) -> RevokedSessions:
    """List sessions ended since `since` that issued a token within the window.

    The list begins somewhat before `since`, because transactions commit late.
    """
    row = await tx.fetchrow(
        """
        SELECT extract(epoch FROM now())::float8 AS as_of, ARRAY(
            SELECT id::text FROM sessions
            WHERE revoked_at > greatest(to_timestamp($1) - make_interval(secs => $2),
                                        now() - make_interval(secs => $3))
              AND last_used_at > now() - make_interval(secs => $3)
        ) AS ids
        """,
        since or 0.0,
        overlap_seconds,
        window_seconds,
    )
    assert row is not None  # noqa: S101 - it has no FROM
    return RevokedSessions(row["as_of"], row["ids"])


async def count_live(tx: Transaction) -> int:
    count: int = await tx.fetchval(
        "SELECT count(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > now()"
    )
    return count


async def delete_over(tx: Transaction, days: float) -> None:
    """Delete sessions that ended more than `days` ago, with their tokens."""
    await tx.execute(
        """
        DELETE FROM sessions
        WHERE least(expires_at, revoked_at) < now() - make_interval(secs => $1 * 86400)
        """,
        days,
    )
