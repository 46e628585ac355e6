"""Access tokens for people, and the public keys that verify them."""

from pathlib import Path
from typing import Final

import msgspec

from valerix.chassis.base.settings import SettingsError
from valerix.chassis.identity.tokens import PEOPLE_ISSUER, PUBLIC_AUDIENCE, TokenIssuer
from valerix.users import metrics
from valerix.users.domain import Session, User

TTL_SECONDS: Final = 600
PUBLIC_PARTS: Final = frozenset({"kty", "crv", "x", "kid", "alg", "use"})


class AccessTokens:
    """Signs access tokens with the key of the issuer for people.

    Raises SettingsError when given the key of another issuer.
    """

    def __init__(self, key_file: Path | None) -> None:
        if key_file is None:
            raise SettingsError("VALERIX_SIGNING_KEY_FILE is missing")
        self._issuer = TokenIssuer(key_file)
        if self._issuer.issuer != PEOPLE_ISSUER:
            raise SettingsError(
                f"{key_file} holds a key of {self._issuer.issuer}, not of {PEOPLE_ISSUER}"
            )

    def issue(self, user: User, session: Session) -> str:
        """A token that admits `user` everywhere for TTL_SECONDS, unless the session ends before."""
        metrics.tokens_issued.inc()
        return self._issuer.issue(
            subject=user.id,
            role=user.role,
            audience=PUBLIC_AUDIENCE,
            ttl_seconds=TTL_SECONDS,
            owner_id=user.customer_number,
            session_id=session.id,
            csrf=session.csrf,
        )


def public_keys(keys_file: Path) -> list[dict[str, str]]:
    """The trusted public keys as they are now. Other content of the file is not shown."""
    jwks = msgspec.json.decode(keys_file.read_bytes(), type=dict[str, list[dict[str, str]]])
    return [
        {name: value for name, value in jwk.items() if name in PUBLIC_PARTS} for jwk in jwks["keys"]
    ]
