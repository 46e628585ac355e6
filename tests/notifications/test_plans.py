"""Query plans with PostgreSQL's statistics, which mostly say that the queue is empty."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.planner import planner_of
from valerix.chassis.postgres.database import KEYED
from valerix.contracts.ids import new_id
from valerix.contracts.states import NotificationStatus
from valerix.notifications import repository
from valerix.notifications.repository import Outcome

SENT = """
    INSERT INTO notifications (id, channel, recipient, subject, body, status, attempts,
                               sent_at, created_at)
    SELECT uuidv7(), 'email', 'CUST-' || mod(n, 50), 'Subject', repeat('x', 250), 'sent', 1,
           now(), now()
    FROM generate_series(1, 5000) n"""

EMITTED = """
    INSERT INTO live_batches (first, last, owners, messages)
    SELECT n * 10 - 9, n * 10, array_fill('CUST-' || mod(n, 50), ARRAY[10]),
           array_fill(repeat('x', 300), ARRAY[10])
    FROM generate_series(1, 1000) n"""


@pytest.fixture
async def planner(database_url: Callable[..., str]) -> AsyncIterator[Any]:
    """Plans in a database with many sent messages and an empty queue.

    The connection is like the service's.
    """
    url, settings = database_url("notifications"), {"jit": "off", **KEYED}
    async with planner_of(url, SENT, "VACUUM ANALYZE notifications", **settings) as planner:
        yield planner


async def test_what_was_sent_is_settled_by_its_id(planner: Any) -> None:
    await repository.settle(
        planner, 1, [Outcome(new_id(), NotificationStatus.SENT) for _ in range(100)]
    )
    assert "Index Scan using notifications_pkey" in planner.plan
    assert "Scan on notifications" not in planner.plan
    assert "notifications_due" not in planner.plan


async def test_due_messages_and_places_in_the_hour_are_ranges_of_an_index(planner: Any) -> None:
    await repository.claim_due(planner, 256, timedelta(seconds=60), 20)
    assert "Index Scan using notifications_due" in planner.plan
    assert "using notifications_sent" in planner.plan
    assert "Scan on notifications" not in planner.plan


@pytest.mark.parametrize(
    ("recipient", "index"), [("CUST-3", "notifications_by_recipient"), (None, "notifications_pkey")]
)
async def test_a_page_walks_an_index(planner: Any, recipient: str | None, index: str) -> None:
    await repository.list_notifications(
        planner, limit=50, before=new_id(), recipient=recipient, status=None, channel=None
    )
    assert f"Index Scan Backward using {index}" in planner.plan
    assert "Sort" not in planner.plan


@pytest.mark.parametrize("owner", ["CUST-3", None])
async def test_what_was_missed_is_read_on_from_an_index(planner: Any, owner: str | None) -> None:
    await planner.connection.execute(EMITTED)
    await planner.connection.execute("VACUUM ANALYZE live_batches")
    await repository.list_live_events(planner, after=9900, owner=owner, limit=50)
    assert "Index Scan using live_batches_pkey" in planner.plan
    assert "Seq Scan" not in planner.plan
