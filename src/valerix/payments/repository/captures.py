"""Statements of captures by hand: the idempotency keys they came under."""

from valerix.chassis.postgres.database import Transaction


class CaptureKeysRepository:
    """A key says which request it belongs to; the payment is the one its order has."""

    async def insert_key(self, tx: Transaction, key: bytes, fingerprint: bytes) -> bool:
        """Keep a key; False when it is kept already. Waits for a transaction that is inserting the same one."""
        inserted = await tx.fetchval(
            """
            INSERT INTO capture_keys (key, fingerprint) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING true
            """,
            key,
            fingerprint,
        )
        return bool(inserted)

    async def find_fingerprint(self, tx: Transaction, key: bytes) -> bytes | None:
        """The fingerprint of the request a key belongs to."""
        fingerprint: bytes | None = await tx.fetchval("SELECT fingerprint FROM capture_keys WHERE key = $1", key)
        return fingerprint
