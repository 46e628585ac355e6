"""Statements of captures by hand, on their idempotency keys."""

from valerix.chassis.postgres.database import Transaction


class CaptureKeysRepository:
    """Reads and writes keys. A key identifies its request; the payment belongs to the order."""

    async def insert_key(self, tx: Transaction, key: bytes, fingerprint: bytes) -> bool:
        """Insert a key. False when it exists already.

        Waits for a transaction that is inserting the same key.
        """
        inserted = await tx.fetchval(
            """
            INSERT INTO capture_keys (key, fingerprint) VALUES ($1, $2)
            ON CONFLICT (key) DO NOTHING RETURNING true
            """,
            key,
            fingerprint,
        )
        return bool(inserted)

    async def find_fingerprint(self, tx: Transaction, key: bytes) -> bytes | None:
        """The fingerprint of the request that a key belongs to."""
        fingerprint: bytes | None = await tx.fetchval(
            "SELECT fingerprint FROM capture_keys WHERE key = $1", key
        )
        return fingerprint
