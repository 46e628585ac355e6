"""Statements of the tokens that are sent by mail."""

from valerix.chassis.postgres.database import Transaction


async def insert_token(
    tx: Transaction, hashed: bytes, user_id: str, purpose: str, life_seconds: float
) -> None:
    await tx.execute(
        """
        INSERT INTO mail_tokens (hash, user_id, purpose, expires_at)
        VALUES ($1, $2, $3, now() + make_interval(secs => $4))
        """,
        hashed,
        user_id,
        purpose,
        life_seconds,
    )


async def find_token_owner(tx: Transaction, hashed: bytes, purpose: str) -> str | None:
    """The id of the user that the token was sent to, while it is good."""
    user_id: str | None = await tx.fetchval(
        """
        SELECT user_id::text FROM mail_tokens
        WHERE hash = $1 AND purpose = $2 AND expires_at > now()
        """,
        hashed,
        purpose,
    )
    return user_id


async def claim_token(tx: Transaction, hashed: bytes) -> bool:
    """Use up a token; one caller wins. Lock its user first, as a change of the address does."""
    return (
        await tx.fetchval("DELETE FROM mail_tokens WHERE hash = $1 RETURNING true", hashed) is True
    )


async def delete_tokens(tx: Transaction, user_id: str) -> None:
    """Delete all tokens that were sent to a user."""
    await tx.execute("DELETE FROM mail_tokens WHERE user_id = $1", user_id)


async def delete_expired(tx: Transaction) -> None:
    await tx.execute("DELETE FROM mail_tokens WHERE expires_at <= now()")
