"""Clients continue from live events that were written before a migration."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import asyncpg

from tests.support.migrations import migrate_up_to
from valerix.chassis.postgres.database import Database
from valerix.chassis.postgres.migrations import migrate
from valerix.notifications import repository


async def test_who_comes_back_after_an_update_reads_on_from_the_last_event_seen(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    url, folder = database_url(), resources.files("valerix.notifications") / "migrations"
    await migrate_up_to("0005", "notifications", url, tmp_path)
    connection = await asyncpg.connect(url)
    insert = """
        INSERT INTO live_events (owner, message)
        SELECT o, json_build_object('of', o) FROM unnest($1::text[]) AS o
    """
    await connection.execute(insert, ["CUST-1", None, "CUST-2"])
    await connection.execute("DELETE FROM live_events WHERE id = 2")  # ids had gaps then
    await connection.close()
    await migrate(url, folder)
    async with Database.open(url, 1) as database, database.transaction() as tx:
        assert await repository.find_live_bounds(tx) == (1, 3)
        await repository.insert_live_events(tx, ["CUST-1", None], ["{}", "{}"])
        everything = await repository.list_live_events(tx, after=1, owner=None, limit=9)
        assert everything == [
            (3, "CUST-2", '{"of" : "CUST-2"}'),
            (4, "CUST-1", "{}"),
            (5, None, "{}"),
        ]
        assert [
            e.id for e in await repository.list_live_events(tx, after=0, owner="CUST-1", limit=9)
        ] == [1, 4]
