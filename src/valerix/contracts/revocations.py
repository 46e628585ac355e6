"""Which sessions have ended: `users` knows, every service asks."""

from typing import Final

import msgspec

LIST_REVOKED: Final = "/internal/v1/revocations"


class ListRevoked(msgspec.Struct, frozen=True, rename="camel"):
    """`since`: the `as_of` of the answer before, or None for everything that can still matter."""

    since: float | None = None


class RevokedSessions(msgspec.Struct, frozen=True, rename="camel"):
    """Sessions that were ended while tokens of theirs may be valid. `as_of` is Unix seconds of the answering clock.

    Answers overlap: what is told may have been told before, nothing is left out.
    """

    as_of: float
    session_ids: list[str]
