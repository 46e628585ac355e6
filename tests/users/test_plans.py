"""How statements find their rows, however many customers there are."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from asyncpg.connection import Connection

from tests.support.planner import Planner
from valerix.users.repository import accounts

MANY = """
    INSERT INTO users (id, email, name, role, status, customer_number, password_hash, version)
    SELECT gen_random_uuid(), 'name' || n || '@example.com', 'Name' || n || ' Family' || n % 500, 'customer', 'active',
           'CUST-' || n, '', 1
    FROM generate_series(1, 5000) AS n
"""


@pytest.fixture
async def connection(database_url: Callable[..., str]) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(database_url("users"))
    await opened.execute(MANY)
    await opened.execute("ANALYZE users")
    yield opened
    await opened.close()


async def test_customers_are_found_by_words_through_an_index(connection: Connection) -> None:
    planner: Any = Planner(connection)
    await accounts.list_numbers_by_words(planner, ["name12", "fam"], 20)
    assert "Bitmap Index Scan on users_by_words" in planner.plan
