"""Access tokens: Ed25519 JWTs. The issuer of a token is the one named in the id of its key."""

import secrets
import time
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec

from valerix.chassis.identity.keys import ALGORITHM, LOOK_SECONDS, WatchedFile
from valerix.contracts.roles import SERVICE

ISSUER_PREFIX: Final = "valerix:"
PEOPLE_ISSUER: Final = "valerix:users"
PUBLIC_AUDIENCE: Final = "valerix"
SERVICE_ROLE: Final = SERVICE
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - RFC 9068 media type, not a password
MAX_TTL_SECONDS: Final = 600
"""Longest lifetime of a token. Longer ones are neither signed nor accepted."""


class Principal(msgspec.Struct, frozen=True):
    """A verified caller.

    `owner_id` is the identifier that the objects of this caller carry, if it owns any.
    """

    subject: str
    role: str
    owner_id: str | None
    expires_at: float
    """Unix seconds."""
    session_id: str | None = None
    """None for services."""
    csrf: str | None = None
    """Set only for sessions in a browser's cookies."""
    on_behalf_of: "Principal | None" = None
    """The person that a service acts for, verified by the person's own token."""


class TokenIssuer:
    """Signs access tokens with one private key. A new key in its file is used within a second."""

    def __init__(self, key_file: Path) -> None:
        self._file = WatchedFile(key_file)
        self._look_again_at = 0.0
        self._read()

    def _read(self) -> None:
        jwk = msgspec.json.decode(self._file.path.read_bytes(), type=dict[str, str])
        self.kid = jwk["kid"]
        self.issuer = self.kid.rsplit(":", 1)[0]
        self._key = jwt.PyJWK(jwk, algorithm=ALGORITHM).key
        self._for_services: dict[str, tuple[str, float]] = {}

    def _take_up_new_key(self) -> None:
        now = time.monotonic()
        if now >= self._look_again_at:
            self._look_again_at = now + LOOK_SECONDS
            if self._file.replaced():
                self._read()

    def issue(
        self,
        *,
        subject: str,
        role: str,
        audience: str,
        ttl_seconds: int,
        owner_id: str | None = None,
        session_id: str | None = None,
        csrf: str | None = None,
    ) -> str:
        """A signed token that is valid from now for `ttl_seconds` (at most 600)."""
        self._take_up_new_key()
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": subject,
            "role": role,
            "iat": now,
            "exp": now + min(ttl_seconds, MAX_TTL_SECONDS),
            "jti": secrets.token_hex(16),
        }
        optional = {"own": owner_id, "sid": session_id, "csrf": csrf}
        claims |= {name: value for name, value in optional.items() if value is not None}
        headers = {"kid": self.kid, "typ": TOKEN_TYPE}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=headers)

    def for_service(self, target: str) -> str:
        """This service's own token for calls to `target`.

        It is signed again every few minutes, not for every call.
        """
        self._take_up_new_key()
        token, fresh_until = self._for_services.get(target, ("", 0.0))
        if time.time() >= fresh_until:
            token = self.issue(
                subject=self.issuer,
                role=SERVICE_ROLE,
                audience=f"valerix:{target}",
                ttl_seconds=MAX_TTL_SECONDS,
            )
            self._for_services[target] = (token, time.time() + MAX_TTL_SECONDS / 2)
        return token
