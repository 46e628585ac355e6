"""Events that migrations publish again."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from uuid import UUID

import asyncpg

from tests.support.migrations import migrate_up_to
from valerix.chassis.postgres.migrations import migrate
from valerix.contracts.ids import new_id


async def test_every_customer_is_told_once_more_as_it_is_now(
    database_url: Callable[..., str], tmp_path: Path
) -> None:
    url, folder = database_url(), resources.files("valerix.users") / "migrations"
    await migrate_up_to("0004", "users", url, tmp_path)
    customer, staff, former = sorted(UUID(new_id()) for _ in range(3))
    connection = await asyncpg.connect(url)
    try:
        for user_id, number in ((customer, "CUST-001"), (staff, None), (former, "CUST-002")):
            await connection.execute(
                """
                INSERT INTO users
                    (id, email, name, role, status, customer_number, password_hash, version)
                VALUES ($1, $1::uuid::text, 'Ann', $2, 'active', $3, '', 2)
                """,
                user_id,
                "operator" if user_id != customer else "customer",
                number,
            )
            for version, what in ((1, "registered"), (2, "updated")):
                kind = "user" if number is None else "customer"
                await connection.execute(
                    "INSERT INTO user_events VALUES ($1, $2, $3, '{}', 'somebody', '')",
                    user_id,
                    version,
                    f"{kind}.{what}",
                )
        await connection.execute("DELETE FROM outbox")  # all events were published
        await migrate(url, folder)
        told = await connection.fetch("SELECT subjects, versions FROM outbox ORDER BY subjects")
    finally:
        await connection.close()
    assert [tuple(row) for row in told] == [([customer], [2]), ([former], [2])]
