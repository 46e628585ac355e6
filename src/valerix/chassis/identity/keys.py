"""Ed25519 keys in files. A key belongs to one issuer: its `kid` is `<issuer>:<random>`."""

import secrets
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM: Final = "EdDSA"
LOOK_SECONDS: Final = 1.0
"""How often key files are checked, and the sessions of open connections."""


def generate_key(issuer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new pair (private JWK, public JWK) for `issuer`, e.g. `valerix:orders`."""
    key = Ed25519PrivateKey.generate()
    names = {"kid": f"{issuer}:{secrets.token_hex(4)}", "alg": ALGORITHM, "use": "sig"}
    private = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True) | names
    return private, {name: value for name, value in private.items() if name != "d"}


class WatchedFile:
    """Detects that a file was replaced.

    A file that cannot be read for a moment counts as unchanged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = self._look()

    def replaced(self) -> bool:
        """Whether the file was replaced since the last call."""
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
    """The public keys of trusted issuers, from one JWKS file.

    The file is read again when it changes, so that keys can rotate.
    """

    def __init__(self, file: Path) -> None:
        self._file = WatchedFile(file)
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._read()

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key with the id `kid`, or None when no trusted issuer has it."""
        if kid not in self._keys:
            self.reread()
        return self._keys.get(kid)

    def reread(self) -> bool:
        """Reads the file again if it was replaced; returns whether it was."""
        if not self._file.replaced():
            return False
        self._read()
        return True

    def _read(self) -> None:
        jwks = msgspec.json.decode(
            self._file.path.read_bytes(), type=dict[str, list[dict[str, str]]]
        )
        self._keys = {jwk["kid"]: jwt.PyJWK(jwk, algorithm=ALGORITHM).key for jwk in jwks["keys"]}
