"""A private, real PostgreSQL for each process that runs tests, and a new database for each test
that requests one.
"""

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.support.blocking import LoopThread, run_blocking
from tests.support.folders import empty_folder
from tests.support.workers import free_port
from valerix.chassis.postgres.migrations import migrate, migrations_of
from valerix.chassis.postgres.provision import provision
from valerix.launcher.postgres import DURABLE, STOP_SIGNAL, SUPERUSER, Cluster, cluster_for, url
from valerix.launcher.processes import dies_with_launcher

PASSWORD = "only-for-this-test-run"
NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "400",
    "shared_buffers": "64MB",
}
"""Settings without fsync: tests kill processes, never the machine, and written but unsynced data
survives that.
"""
QUICK_TO_ENTER = {"scram_iterations": "1"}
"""Cheap password hashing: thousands of connections are opened with one known password."""
STILL_IN_USE = "is still in use"
"""PostgreSQL's message about shared memory that a previous server still holds."""


class PostgresServer:
    """A running server whose roles (one per service, `orders`, …) all have the password
    PASSWORD.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.process: subprocess.Popen[bytes] | None = None
        self._templates: set[str] = set()
        self._numbers = itertools.count(1)
        self._superuser: Superuser | None = None

    @property
    def superuser_url(self) -> str:
        return url(self.cluster.port, SUPERUSER, PASSWORD, "postgres")

    def start(self) -> None:
        deadline = time.monotonic() + 60
        self._spawn()
        while not self.cluster.is_ready(self._running().pid):
            assert time.monotonic() < deadline, "PostgreSQL did not become ready within a minute"
            if self._running().poll() is not None:
                # Processes of a killed server hold its memory until they detect its end; the
                # supervisor retries, too.
                assert STILL_IN_USE in self._log.read_text(), self._log.read_text()
                self._spawn()
            time.sleep(0.02)

    @property
    def _log(self) -> Path:
        return self.cluster.folder.with_name("postgres.log")

    def _spawn(self) -> None:
        self.cluster.prepare_start()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self.cluster.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_launcher(STOP_SIGNAL),  # noqa: PLW1509 - takes no lock
                **self.cluster.spawn_options,
            )

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None
        return self.process

    def stop(self) -> None:
        if self._superuser is not None:
            self._superuser.close()
            self._superuser = None
        self._running().send_signal(STOP_SIGNAL)
        self._running().wait(60)

    def fresh_database(self, service: str | None) -> tuple[str, str]:
        """Creates a database, owned by the service's role and migrated, or empty without a service;
        returns its name and URL.
        """
        role = service or "nobody_in_particular"
        if role not in self._templates:
            self._make_template(role, service)
            self._templates.add(role)
        name = self.copy(role, role)
        return name, self.url_of(role, name)

    def url_of(self, role: str, database: str) -> str:
        return url(self.cluster.port, role, PASSWORD, database)

    def copy(self, role: str, database: str) -> str:
        """Copies a database that has no open connections and returns the copy's name. The copy is
        deleted with the server.
        """
        name = f"{role}_{next(self._numbers)}"
        # Half the cost of the alternative, which writes every page of the template to the WAL.
        how = f'TEMPLATE "{database}" OWNER "{role}" STRATEGY FILE_COPY'
        self._execute(f'CREATE DATABASE "{name}" {how}')
        return name

    def drop(self, database: str) -> None:
        self._execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def _make_template(self, role: str, service: str | None) -> None:
        run_blocking(provision(self.superuser_url, {role: PASSWORD}))
        if service:
            run_blocking(
                migrate(url(self.cluster.port, role, PASSWORD, role), migrations_of(service))
            )

    def _execute(self, statement: str) -> None:
        if self._superuser is None:
            self._superuser = Superuser(self.superuser_url)
        self._superuser.execute(statement)


class Superuser:
    """A connection that stays open: to connect costs more than most statements."""

    def __init__(self, url: str) -> None:
        self._loop = LoopThread()
        self._connection: Connection = self._loop.run(asyncpg.connect(url))

    def execute(self, statement: str) -> None:
        self._loop.run(self._connection.execute(statement))

    def close(self) -> None:
        self._loop.run(self._connection.close())
        self._loop.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Runs the server of this test process; tests that stop or kill a server start a separate
    one.
    """
    with empty_folder() as folder:
        cluster, _ = cluster_for(folder, free_port(), {**DURABLE, **NOT_DURABLE, **QUICK_TO_ENTER})
        cluster.initialise(PASSWORD)
        server = PostgresServer(cluster)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[Callable[..., str]]:
    """Provides `database_url("orders")`: the URL of a new database with that service's tables;
    without a name, no tables.
    """
    made: list[str] = []

    def fresh(service: str | None = None) -> str:
        name, url = postgres.fresh_database(service)
        made.append(name)
        return url

    yield fresh
    for name in made:
        postgres.drop(name)
