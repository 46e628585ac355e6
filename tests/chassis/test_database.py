"""Connections, transactions, lost connections and migrations on a real PostgreSQL."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.support.blocking import run_blocking
from tests.support.disks import filled, mounted
from tests.support.postgres import PostgresServer
from tests.support.workers import free_port
from valerix.chassis.postgres import database as module
from valerix.chassis.postgres.database import (
    MAX_ATTEMPTS,
    CommitOutcomeUnknown,
    Database,
    DatabaseUnavailable,
)
from valerix.chassis.postgres.migrations import MigrationChanged, migrate

KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
SLEEPERS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND query ~ '^SELECT pg_sleep'"""


@asynccontextmanager
async def assassin_of(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection, for killing others. It is closed even when its test fails.

    A connection left open fails the test that runs when it is garbage-collected.
    """
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_transaction_commits_whole_or_not_at_all(database_url: Callable[..., str]) -> None:
    async with Database.open(database_url(), 1) as database:
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE t (n int)")
        with pytest.raises(RuntimeError):
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO t VALUES (1)")
                raise RuntimeError
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM t") == 0


async def test_a_lost_connection_is_reported_as_unknown_and_replaced(
    database_url: Callable[..., str],
) -> None:
    url = database_url()
    async with Database.open(url, 1) as database:
        with pytest.raises(CommitOutcomeUnknown):
            async with database.connection() as connection:
                async with assassin_of(url) as assassin:
                    await assassin.execute(KILL)
                await connection.execute("SELECT 1")
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_session_ended_in_the_middle_of_a_statement_is_unknown_too(
    database_url: Callable[..., str],
) -> None:
    url = database_url()
    async with Database.open(url, 1) as database:

        async def sleep() -> None:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")

        async with assassin_of(url) as assassin:
            for _ in range(5):
                sleeping = asyncio.create_task(sleep())
                while not await assassin.fetchval(SLEEPERS):
                    await asyncio.sleep(0.01)
                await assassin.execute(KILL)
                with pytest.raises(CommitOutcomeUnknown):
                    await sleeping
                while await assassin.fetchval(SLEEPERS):  # the server removes the session later
                    await asyncio.sleep(0.01)


async def test_repeatable_work_is_repeated_until_its_outcome_is_known(
    database_url: Callable[..., str],
) -> None:
    url = database_url()
    attempts = 0

    async def work(connection: asyncpg.Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            connection.terminate()
        return int(await connection.fetchval("SELECT 7"))

    async with Database.open(url, 1) as database:
        assert await database.repeat(work) == 7
    assert attempts == 3


async def test_work_that_was_overtaken_looks_again_and_does_not_try_for_ever(
    database_url: Callable[..., str],
) -> None:
    attempts = 0

    async def work(_: asyncpg.Connection) -> None:
        nonlocal attempts
        attempts += 1
        raise LookupError

    async with Database.open(database_url(), 1) as database:
        with pytest.raises(LookupError):
            await database.repeat(work, (LookupError,))
    assert attempts == MAX_ATTEMPTS


async def test_lanes_carry_the_settings_they_were_opened_with(
    database_url: Callable[..., str],
) -> None:
    async with (
        Database.open(database_url(), 1, {"enable_seqscan": "off"}) as database,
        database.connection() as connection,
    ):
        assert await connection.fetchval("SHOW enable_seqscan") == "off"


async def test_no_database_is_said_to_be_no_database() -> None:
    async with Database.open(f"postgresql://u:p@127.0.0.1:{free_port()}/d", 1) as database:
        for _ in range(3):  # a failed attempt to connect does not use up a place
            with pytest.raises(DatabaseUnavailable):
                async with database.connection():
                    pass


async def test_a_cancelled_statement_does_not_poison_its_lane(
    database_url: Callable[..., str],
) -> None:
    async with Database.open(database_url(), 1) as database:

        async def sleep() -> None:
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")

        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_deadlock_victims_run_again(database_url: Callable[..., str]) -> None:
    async with Database.open(database_url(), 2) as database:
        async with database.connection() as connection:
            await connection.execute(
                "CREATE TABLE t (n int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)"
            )
        met = asyncio.Barrier(2)
        crossed = False

        async def add(first: int, second: int) -> None:
            async def work(tx: asyncpg.Connection) -> None:
                nonlocal crossed
                await tx.execute("UPDATE t SET v = v + 1 WHERE n = $1", first)
                if not crossed:  # both lock their first row before either requests its second
                    await met.wait()
                    crossed = True
                await tx.execute("UPDATE t SET v = v + 1 WHERE n = $1", second)

            await database.retry(work)

        await asyncio.gather(add(1, 2), add(2, 1))
        async with database.connection() as connection:
            assert [row["v"] for row in await connection.fetch("SELECT v FROM t ORDER BY n")] == [
                2,
                2,
            ]


async def test_migrations_apply_once_in_order_and_may_not_change(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    url = database_url()
    (tmp_path / "0002_fill.sql").write_text("INSERT INTO t VALUES (1);")
    (tmp_path / "0001_initial.sql").write_text("CREATE TABLE t (n int);")
    results = await asyncio.gather(*(migrate(url, tmp_path) for _ in range(4)))
    assert sorted(name for names in results for name in names) == [
        "0001_initial.sql",
        "0002_fill.sql",
    ]
    (tmp_path / "0001_initial.sql").write_text("CREATE TABLE t (n bigint);")
    with pytest.raises(MigrationChanged):
        await migrate(url, tmp_path)


async def test_readiness_names_the_missing_tables(database_url: Callable[..., str]) -> None:
    async with Database.open(database_url("orders"), 1) as database:
        assert await database.missing_tables(["orders", "order_events", "nowhere"]) == ["nowhere"]


async def test_a_database_that_is_read_only_is_not_ready_and_told_as_unavailable(
    database_url: Callable[..., str],
) -> None:
    url = database_url("orders")
    async with Database.open(url, 1, {"default_transaction_read_only": "on"}) as database:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as tx:
                await tx.execute("INSERT INTO inbox VALUES ('a', 'b')")
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await database.missing_tables(["orders"])


async def test_a_database_whose_connections_are_all_at_work_is_ready_if_they_get_on(
    database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 3600)
    async with Database.open(database_url("orders"), 1) as database:
        async with database.connection():
            pass
        async with database.connection():
            assert await database.missing_tables(["orders"]) == []
            monkeypatch.setattr(module, "BUSY_SECONDS", 0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(database.missing_tables(["orders"]), 0.1)


@pytest.fixture
def small_tablespace(postgres: PostgresServer) -> Iterator[Path]:
    """A file system with space for a few pages. Sessions with SMALL write there."""
    with mounted(256 * 1024) as folder:
        if postgres.cluster.account:
            os.chown(folder, postgres.cluster.account.uid, postgres.cluster.account.gid)
        run_blocking(_as_superuser(postgres, f"CREATE TABLESPACE small LOCATION '{folder}'"))
        run_blocking(_as_superuser(postgres, "GRANT CREATE ON TABLESPACE small TO PUBLIC"))
        yield folder
        run_blocking(_as_superuser(postgres, "DROP TABLESPACE small"))


SMALL = {"default_tablespace": "small", "temp_tablespaces": "small"}


async def _as_superuser(postgres: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(postgres.superuser_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_database_without_room_is_not_ready_until_there_is_room_again(
    database_url: Callable[..., str], small_tablespace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIAL_SECONDS", 0)

    async def write() -> None:
        async with database.transaction() as tx:
            await tx.execute(
                "INSERT INTO full_of SELECT repeat('x', 1000) FROM generate_series(1, 30)"
            )

    async with Database.open(database_url(), 1, SMALL) as database:
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE full_of (text text)")
        await write()
        assert await database.missing_tables(["full_of"]) == []
        with filled(small_tablespace):
            with pytest.raises(DatabaseUnavailable) as refusal:
                await write()
            assert "No space left" in str(refusal.value.__cause__)
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable):
                    await database.missing_tables(["full_of"])
        assert await database.missing_tables(["full_of"]) == []
        await write()
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM full_of") == 60
            await connection.execute("DROP TABLE full_of")
