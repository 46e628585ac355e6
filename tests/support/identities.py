"""The keys and tokens of all callers of services: people and services."""

import json
from pathlib import Path
from typing import Any

import pytest

from valerix.chassis.identity.keys import generate_key
from valerix.chassis.identity.tokens import PEOPLE_ISSUER, PUBLIC_AUDIENCE, TokenIssuer

ISSUERS = ("users", "orders", "inventory", "payments", "notifications", "console")


class Identities:
    """Creates a key for every issuer, on disk as services expect them, and signs tokens with
    them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys_file = folder / "keys.json"
        public = [self._make(name) for name in ISSUERS]
        self.keys_file.write_text(json.dumps({"keys": public}))

    def _make(self, name: str) -> dict[str, Any]:
        private, public = generate_key(f"valerix:{name}")
        self.signing_key_file(name).write_text(json.dumps(private))
        return public

    def signing_key_file(self, name: str) -> Path:
        return self.folder / f"{name}.jwk"

    def person(
        self, role: str, owner_id: str | None = None, subject: str = "somebody", **claims: str
    ) -> str:
        """Returns an access token of a customer, operator or admin; `claims`: session_id, csrf."""
        issuer = TokenIssuer(self.signing_key_file(PEOPLE_ISSUER.removeprefix("valerix:")))
        return issuer.issue(
            subject=subject,
            role=role,
            audience=PUBLIC_AUDIENCE,
            ttl_seconds=600,
            owner_id=owner_id,
            **claims,
        )

    def service(self, name: str, target: str) -> str:
        """Returns the token with which service `name` calls `target`."""
        return TokenIssuer(self.signing_key_file(name)).for_service(target)


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))
