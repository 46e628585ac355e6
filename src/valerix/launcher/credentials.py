"""Secrets and keys of one data directory: made once, readable by their owner only, never printed but two logins."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from valerix.chassis.auth import generate_key
from valerix.launcher.topology import DATABASE_NAMES, ISSUERS


class Credentials:
    """Reads what is there and makes what is missing."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "secrets"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    @property
    def superuser_password(self) -> str:
        return self._secret("postgres")

    @property
    def database_passwords(self) -> dict[str, str]:
        """By role, which is also the database's name."""
        return {name: self._secret(f"postgres-{name}") for name in DATABASE_NAMES}

    @property
    def valkey_password(self) -> str:
        return self._secret("valkey")

    @property
    def psp_secret(self) -> str:
        return self._secret("psp")

    @property
    def demo_password(self) -> str:
        return self._secret("demo", length=9)

    @property
    def admin_password(self) -> str:
        return self._secret("admin", length=9)

    @property
    def keys_file(self) -> Path:
        return self._folder / "jwks.json"

    def signing_key_file(self, issuer: str) -> Path:
        return self._folder / f"{issuer}.jwk"

    def make_keys(self) -> None:
        """One private key per issuer; the public halves of all of them in one file."""
        public = [self._public_half(issuer) for issuer in ISSUERS]
        _write(self.keys_file, msgspec.json.encode({"keys": public}))

    def _public_half(self, issuer: str) -> dict[str, str]:
        stored = self._read_or_make(
            self.signing_key_file(issuer), lambda: msgspec.json.encode(generate_key(f"valerix:{issuer}")[0])
        )
        private = msgspec.json.decode(stored, type=dict[str, str])
        return {name: value for name, value in private.items() if name != "d"}

    def _secret(self, name: str, length: int = 24) -> str:
        return self._read_or_make(self._folder / name, lambda: secrets.token_urlsafe(length).encode()).decode()

    def _read_or_make(self, file: Path, make: Callable[[], bytes]) -> bytes:
        with contextlib.suppress(FileNotFoundError):
            return file.read_bytes()
        content = make()
        _write(file, content)
        return content


def _write(file: Path, content: bytes) -> None:
    """All or nothing, durable before anything depends on it."""
    building = file.with_suffix(".new")
    building.unlink(missing_ok=True)
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    building.rename(file)
