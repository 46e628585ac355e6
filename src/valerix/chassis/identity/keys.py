"""Ed25519 keys in files. A key speaks for one issuer: its `kid` is `<issuer>:<random>`."""

import secrets
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM: Final = "EdDSA"
LOOK_SECONDS: Final = 1.0
"""How often key files are looked at, and the sessions of open connections."""


def generate_key(issuer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new (private JWK, public JWK) pair for `issuer`, e.g. `valerix:orders`."""
    key = Ed25519PrivateKey.generate()
    names = {"kid": f"{issuer}:{secrets.token_hex(4)}", "alg": ALGORITHM, "use": "sig"}
    private = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True) | names
    return private, {name: value for name, value in private.items() if name != "d"}


class WatchedFile:
    """Tells when a file was replaced; one that cannot be looked at for a moment was not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = self._look()

    def replaced(self) -> bool:
        stamp = self._look()
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        return True

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


class KeyRing:
    """The public keys of trusted issuers, from one JWKS file; read again when it changes, so keys can rotate."""

    def __init__(self, file: Path) -> None:
        self._file = WatchedFile(file)
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._read()

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key called `kid`, or None when no trusted issuer has it."""
        if kid not in self._keys:
            self.reread()
        return self._keys.get(kid)

    def reread(self) -> bool:
        """Whether there was something new."""
        if not self._file.replaced():
            return False
        self._read()
        return True

    def _read(self) -> None:
        jwks = msgspec.json.decode(self._file.path.read_bytes(), type=dict[str, list[dict[str, str]]])
        self._keys = {jwk["kid"]: jwt.PyJWK(jwk, algorithm=ALGORITHM).key for jwk in jwks["keys"]}
