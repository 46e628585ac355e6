"""The list of ended sessions: users keeps it, and every other service requests it."""

from typing import Final

import msgspec

LIST_REVOKED: Final = "/internal/v1/revocations"


class ListRevoked(msgspec.Struct, frozen=True, rename="camel"):
    """A request for ended sessions.

    `since`: the `as_of` of the previous answer, or None for every session that can still matter.
    """

    since: float | None = None


class RevokedSessions(msgspec.Struct, frozen=True, rename="camel"):
    """Sessions that ended while some of their tokens may still be valid.

    `as_of` is Unix seconds of the answering clock. Answers overlap: a session may be listed again,
    but none is left out.
    """

    as_of: float
    session_ids: list[str]
