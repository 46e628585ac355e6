"""Query plans: how statements find their rows, however many payments there are."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.payments.statements import SEARCH
from tests.support.planner import planner_of
from valerix.payments.domain import PaymentFilter

MANY = """
    INSERT INTO payments (id, order_id, customer_id, amount_minor, currency, method,
                          status, provider_reference, captured_minor, version, created_at,
                          updated_at)
    SELECT id, gen_random_uuid()::text, 'CUST-' || n % 50, 100, 'USD', 'card_ok',
           'captured', n::text, 100, 1, now(),
           now()
    FROM (SELECT n, ('01a1f' || lpad(to_hex(n * 4000), 7, '0') || '7'
                     || right(md5(n::text), 19))::uuid AS id
          FROM generate_series(1, 10000) AS n)
"""
EVENTS = (
    "INSERT INTO payment_events SELECT id, 1, 'payment.captured', '{}', '', now() FROM payments"
)


@pytest.fixture
async def planner(database_url: Callable[..., str]) -> AsyncIterator[Any]:
    async with planner_of(database_url("payments"), MANY, EVENTS, "ANALYZE") as planner:
        yield planner


async def test_a_search_walks_an_index_for_each_thing_that_may_be_meant(planner: Any) -> None:
    wanted = PaymentFilter(
        limit=51,
        **dict.fromkeys(("before", "status", "customer_id", "order_id", "method", "first", "last")),
        search="769c3417a559",
        order_ids=["01a1fdfc-5a0f-7cde-8f01-769c3417a559"],
    )
    await SEARCH.list_payments(planner, wanted)
    for index in (
        "payments_by_customer",
        "payments_order_id_key",
        "payments_by_status",
        "payment_events_by_end",
    ):
        assert f"using {index}" in planner.plan
    assert "Seq Scan" not in planner.plan
