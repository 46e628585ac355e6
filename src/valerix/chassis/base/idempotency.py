"""The `Idempotency-Key` header: parsing, the look-up key, the fingerprint, and its errors."""

import hashlib

import msgspec

from valerix.chassis.base.problems import Conflict, FieldError, Invalid, Unprocessable

HEADER = "idempotency-key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255


class KeyReused(Unprocessable):
    code, title = "idempotency_key_reused", "The idempotency key belongs to another request"

    def __init__(self) -> None:
        super().__init__("This key was used with a different body; use a new key for a new request")


class KeyInFlight(Conflict):
    code, title = "idempotency_key_in_flight", "The first request with this key is still running"

    def __init__(self) -> None:
        super().__init__(
            "The first request with this key has not finished; repeat the request shortly",
            headers={"Retry-After": "1"},
        )


def parse_key(raw: str | None) -> str | None:
    """The key, bare or quoted (RFC 8941 string); None when the header is absent.

    Raises Invalid when the key is empty, longer than 255 characters or not printable.
    """
    if raw is None:
        return None
    key = raw.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= MAX_LENGTH or not key.isprintable():
        message = f"Idempotency-Key must have 1 to {MAX_LENGTH} printable characters"
        raise Invalid(message, [FieldError("/headers/Idempotency-Key", message)])
    return key


def lookup_key(principal: str, method: str, route: str, key: str) -> bytes:
    """32 bytes for (principal, method, route, key): the keys of two clients never collide."""
    return hashlib.sha256("\x00".join((principal, method, route, key)).encode()).digest()


def fingerprint(body: object) -> bytes:
    """SHA-256 of the canonical body.

    The body is the decoded value with sorted keys, so white space and field order do not matter.
    """
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).digest()
