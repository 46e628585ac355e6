"""Secrets of one data directory: generated once, readable by their owner only.

Only the demo logins are ever printed.
"""

import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

from valerix.launcher.private import own_folder, write_private
from valerix.launcher.topology import DATABASE_NAMES


class Credentials:
    """Reads the secrets that exist and generates those that are missing."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = own_folder(data_dir / "secrets")

    @property
    def superuser_password(self) -> str:
        return self._secret("postgres")

    @property
    def database_passwords(self) -> dict[str, str]:
        """Passwords by role; a role has the name of its database."""
        return {name: self._secret(f"postgres-{name}") for name in DATABASE_NAMES}

    @property
    def valkey_password(self) -> str:
        """Password of the launcher's own Valkey user."""
        return self._secret("valkey")

    def valkey_password_of(self, service: str) -> str:
        """Return the password of the Valkey user with the service's name."""
        return self._secret(f"valkey-{service}")

    @property
    def psp_secret(self) -> str:
        return self._secret("psp")

    @property
    def mail_secret(self) -> str:
        return self._secret("mail")

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

    def _secret(self, name: str, length: int = 24) -> str:
        return self.read_or_make(
            self._folder / name, lambda: secrets.token_urlsafe(length).encode()
        ).decode()

    def read_or_make(self, file: Path, make: Callable[[], bytes]) -> bytes:
        """Return the content of `file`; if there is none, write what `make` returns first."""
        with contextlib.suppress(FileNotFoundError):
            return file.read_bytes()
        content = make()
        write_private(file, content)
        return content
