"""The accounts of a new stack."""

import asyncio

import asyncpg

from tests.users.conftest import DEMO_PASSWORD
from valerix.users import demo


async def rows(url: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch("SELECT * FROM users ORDER BY id"))
    finally:
        await connection.close()


async def seed(url: str, password: str = DEMO_PASSWORD, *, demo_data: bool = True) -> None:
    await demo.seed(url, demo_password=password, admin_password="admin password", demo=demo_data)


async def test_the_demo_has_staff_and_numbered_customers_one_of_them_suspended(empty: str) -> None:
    await seed(empty)
    accounts = {row["email"].split("@")[0]: row for row in await rows(empty)}
    assert (accounts["admin"]["role"], accounts["operator"]["role"]) == ("admin", "operator")
    numbers = [
        accounts[name]["customer_number"] for name in ("ada", "grace", "alan", "edsger", "mallory")
    ]
    assert numbers == ["CUST-001", "CUST-002", "CUST-003", "CUST-004", "CUST-010"]
    assert [name for name, row in accounts.items() if row["status"] == "suspended"] == ["mallory"]


async def test_a_later_seed_changes_nothing(empty: str) -> None:
    await seed(empty)
    before = await rows(empty)
    await seed(empty, "another password")
    assert await rows(empty) == before


async def test_two_seeds_at_once_make_each_account_once(empty: str) -> None:
    await asyncio.gather(*(seed(empty) for _ in range(4)))
    assert len(await rows(empty)) == 12


async def test_without_the_demo_there_is_one_administrator_and_later_the_demo_can_join(
    empty: str,
) -> None:
    await seed(empty, demo_data=False)
    assert [(row["email"], row["role"]) for row in await rows(empty)] == [
        ("admin@valerix.example", "admin")
    ]
    await seed(empty)
    assert len(await rows(empty)) == 13


async def test_every_demo_account_has_its_first_event(empty: str) -> None:
    await seed(empty)
    connection = await asyncpg.connect(empty)
    counts = await connection.fetch(
        "SELECT type, count(*) FROM user_events GROUP BY type ORDER BY type"
    )
    await connection.close()
    assert [tuple(row) for row in counts] == [("customer.registered", 10), ("user.registered", 2)]
