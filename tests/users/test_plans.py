"""Query plans: how statements find their rows, however many customers there are."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.planner import planner_of
from valerix.users.repository import accounts

MANY = """
    INSERT INTO users (id, email, name, role, status, customer_number, password_hash, version)
    SELECT gen_random_uuid(), 'name' || n || '@example.com', 'Name' || n || ' Family' || n % 500,
           'customer', 'active', 'CUST-' || n, '', 1
    FROM generate_series(1, 5000) AS n
"""


@pytest.fixture
async def planner(database_url: Callable[..., str]) -> AsyncIterator[Any]:
    async with planner_of(database_url("users"), MANY, "ANALYZE users") as planner:
        yield planner


async def test_customers_are_found_by_words_through_an_index(planner: Any) -> None:
    await accounts.list_numbers_by_words(planner, ["name12", "fam"], 20)
    assert "Bitmap Index Scan on users_by_words" in planner.plan
