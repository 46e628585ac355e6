"""Code of another version: admitted where the schema allows it, otherwise refused.

The refusal names both versions.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.workers import free_port
from valerix.chassis.http.health import refuse_schema, tables_present
from valerix.chassis.postgres.database import Database, DatabaseUnavailable, SchemaTooNew
from valerix.chassis.postgres.migrations import check_schema, migrate

INITIAL, EXPAND, CONTRACT = "0001_initial.sql", "0002_expand.sql", "0003_contract.sql"
FILES = {
    INITIAL: "CREATE TABLE t (old int);",
    EXPAND: "-- compatible_from: 0001\nALTER TABLE t ADD COLUMN new int;",
    CONTRACT: "-- compatible_from: 0002\nALTER TABLE t DROP COLUMN old;",
}


@pytest.fixture
def url(database_url: Callable[..., str]) -> str:
    return database_url()


@pytest.fixture
def code(tmp_path: Path) -> Callable[..., Path]:
    """`code(INITIAL)`: the folder of migrations of code that has these files."""

    def folder(*names: str) -> Path:
        made = tmp_path / str(len(list(tmp_path.iterdir())))
        made.mkdir()
        for name in names:
            (made / name).write_text(FILES[name])
        return made

    return folder


async def rows(url: str, query: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_what_a_migration_states_is_kept_where_older_code_reads_it(
    url: str, code: Callable[..., Path]
) -> None:
    """A file without the statement requires code that has the file."""
    await migrate(url, code(INITIAL, EXPAND, CONTRACT))
    stored = await rows(
        url, "SELECT version, compatible_from FROM schema_migrations ORDER BY version"
    )
    assert [tuple(row.values()) for row in stored] == [(1, 1), (2, 1), (3, 2)]


async def test_older_code_goes_on_after_an_expansion_and_not_after_the_contraction(
    url: str, code: Callable[..., Path]
) -> None:
    old = code(INITIAL)
    await migrate(url, code(INITIAL, EXPAND))
    assert await migrate(url, old) == []
    await check_schema(url, old)
    async with Database.open(url, 1, code=1) as database, database.connection() as connection:
        await connection.execute("INSERT INTO t (old) VALUES (1)")

    await migrate(url, code(INITIAL, EXPAND, CONTRACT))
    for refused in (migrate(url, old), check_schema(url, old)):
        with pytest.raises(
            SchemaTooNew,
            match=r"has schema 0003, which wants .* 0002 or newer, and this code is 0001",
        ):
            await refused
    await check_schema(url, code(INITIAL, EXPAND))


async def test_nothing_is_applied_by_code_that_is_refused(
    url: str, code: Callable[..., Path], tmp_path: Path
) -> None:
    """The refused code is a branch with a migration of its own."""
    await migrate(url, code(INITIAL, EXPAND, CONTRACT))
    branch = code(INITIAL)
    (branch / "0001_other.sql").write_text("CREATE TABLE other (n int);")
    with pytest.raises(SchemaTooNew):
        await migrate(url, branch)
    assert await rows(url, "SELECT to_regclass('other') AS found") == [{"found": None}]


async def test_a_schema_of_before_the_column_is_taken_as_wanting_code_that_has_it(
    url: str, code: Callable[..., Path]
) -> None:
    await migrate(url, code(INITIAL, EXPAND))
    await rows(url, "ALTER TABLE schema_migrations DROP COLUMN compatible_from")
    with pytest.raises(SchemaTooNew):
        await check_schema(url, code(INITIAL))
    await check_schema(url, code(INITIAL, EXPAND))
    await migrate(url, code(INITIAL, EXPAND, CONTRACT))
    stored = await rows(url, "SELECT compatible_from FROM schema_migrations ORDER BY version")
    assert [row["compatible_from"] for row in stored] == [None, None, 2]


async def test_code_that_is_running_gets_no_new_connection_once_it_is_too_old(
    url: str, code: Callable[..., Path]
) -> None:
    """The database comes back migrated, or was migrated while the code ran."""
    await migrate(url, code(INITIAL))
    async with Database.open(url, 2, code=1) as database:
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM t") == 0
            await migrate(url, code(INITIAL, EXPAND, CONTRACT))
            with pytest.raises(SchemaTooNew, match="0003"):
                async with database.connection():
                    pass
        with pytest.raises(SchemaTooNew):
            await refuse_schema({"database": _connects_anew(database)})


def _connects_anew(database: Database) -> Callable[..., Any]:
    async def check() -> None:
        async with database.connection(), database.connection():
            pass

    return check


async def test_what_may_still_come_is_no_reason_not_to_start(url: str) -> None:
    """Neither missing tables nor a missing database prevents the start."""
    async with Database.open(url, 1, code=1) as empty:
        await refuse_schema({"database": tables_present(empty, ["t"])})
    async with Database.open(f"postgresql://u:p@127.0.0.1:{free_port()}/d", 1, code=1) as away:
        await refuse_schema({"database": tables_present(away, ["t"])})
        with pytest.raises(DatabaseUnavailable):
            await away.missing_tables(["t"])
