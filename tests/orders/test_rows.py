"""Rows are read back as they were written.

Every column has another value, so that two swapped columns are noticed.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.orders.statements import COUNTED, DRIVING, PLACING, READ_MODEL, SEARCH
from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.commands import Allocation
from valerix.contracts.ids import created_at, new_id
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders.bounds import Bound
from valerix.orders.decisions import Decision, HistoryEntry, SagaRun, Step
from valerix.orders.order import CustomerSeen, Order, OrderFilter, OrderLine
from valerix.orders.repository.bounds import Counting
from valerix.orders.repository.driving import Finished
from valerix.orders.repository.outbox import list_outgoing
from valerix.orders.repository.placing import Accepting, ExistingOrder, Inserted

LEASE = timedelta(seconds=60)


def moment(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def placed(number: int) -> Accepting:
    order_id = new_id()
    made = created_at(order_id)
    lines = [OrderLine(f"product-{number}", number), OrderLine(f"other-{number}", number + 1)]
    address = {"city": f"city-{number}"}
    order = Order(
        order_id, f"customer-{number}", lines, f"method-{number}", "hold", made, made, address
    )
    order.expected_total = Money(number, "USD")
    key, fingerprint = f"key-{number}".encode(), f"fingerprint-{number}".encode()
    return Accepting(
        order, key, fingerprint, f"trace-{number}", data_of(OrderStatus.PENDING, number)
    )


def data_of(status: OrderStatus, number: int) -> str:
    return f'{{"status":"{status}","errorCode":"code-{number}","errorMessage":"message-{number}"}}'


def finished(order: Order, number: int) -> Finished:
    """Return a finished order with another value in each column."""
    order.status, order.version, order.updated_at = OrderStatus.CONFIRMED, 2, moment(number)
    order.lines = [OrderLine(f"new-{number}", 3, f"name-{number}", 4)]
    order.allocations = [Allocation(f"new-{number}", f"warehouse-{number}", 5)]
    order.currency, order.total_minor, order.payment_id = f"currency-{number}", 6, new_id()
    order.error_code, order.error_message = f"error-{number}", f"error message {number}"
    order.attempts, order.shipping_address = 7, {"city": f"new city {number}"}
    step = f"""[{{"name":"name-{number}","attempt":8,"outcome":"outcome-{number}",
                 "startedAt":"2026-02-03T00:00:00Z",
                 "durationMs":9.5,"detail":"detail-{number}"}}]"""
    data = data_of(OrderStatus.CONFIRMED, number)
    return Finished(
        order,
        f"event-{number}",
        data,
        step,
        LEASE,
        f"trace-2-{number}",
        201 + number,
        f"body-{number}",
    )


@pytest.fixture
async def tx(database_url: Callable[..., str]) -> AsyncIterator[Transaction]:
    async with Database.open(database_url("orders"), 1) as database, database.transaction() as tx:
        yield tx


async def existing(tx: Transaction, *accepting: Accepting) -> list[ExistingOrder]:
    found = await PLACING.list_existing(tx, [a.order.id for a in accepting], [])
    return sorted(found, key=lambda known: known.order.id)


async def test_orders_from_their_placing_to_their_answer(tx: Transaction) -> None:
    accepting = [placed(1), placed(2)]
    ids = {a.order.id for a in accepting}
    assert await PLACING.insert_orders(tx, accepting, LEASE) == Inserted(ids, {})
    assert await existing(tx, *accepting) == [
        ExistingOrder(a.order, a.fingerprint, None, None, a.idempotency_key) for a in accepting
    ]
    done = [finished(a.order, number) for number, a in enumerate(accepting, 1)]
    assert await DRIVING.finish_orders(tx, done) == ids
    assert await existing(tx, *accepting) == [
        ExistingOrder(f.order, a.fingerprint, f.answer_status, f.answer_body, a.idempotency_key)
        for a, f in zip(accepting, done, strict=True)
    ]
    assert await SEARCH.list_orders(tx, OrderFilter(limit=9, ascending=True)) == [
        f.order for f in done
    ]


async def test_the_history_of_an_order_and_its_events(tx: Transaction) -> None:
    accepting = placed(1)
    order = accepting.order
    await PLACING.insert_orders(tx, [accepting], LEASE)
    done = finished(order, 2)
    await DRIVING.finish_orders(tx, [done])
    step = Step("name-2", 8, "outcome-2", datetime(2026, 2, 3, tzinfo=UTC), 9.5, "detail-2")
    assert await SEARCH.list_events(tx, order.id) == [
        HistoryEntry(
            *(
                1,
                "order.created",
                OrderStatus.PENDING,
                "code-1",
                "message-1",
                [],
                "trace-1",
                order.created_at,
            )
        ),
        HistoryEntry(
            *(
                2,
                "event-2",
                OrderStatus.CONFIRMED,
                "code-2",
                "message-2",
                [step],
                "trace-2-2",
                order.updated_at,
            )
        ),
    ]
    assert await list_outgoing(tx, 9) == [
        Entry(1, "order.created", order.id, 1, order.created_at, "trace-1", accepting.data),
        Entry(2, "event-2", order.id, 2, order.updated_at, "trace-2-2", done.data),
    ]


async def test_only_the_time_of_a_postponed_order_changes(tx: Transaction) -> None:
    accepting = [placed(1), placed(2)]
    await PLACING.insert_orders(tx, accepting, LEASE)
    await tx.execute("UPDATE orders SET version = 3, lease_epoch = 4")
    for order in (a.order for a in accepting):
        order.version, order.lease_epoch = 3, 4
    later = [
        SagaRun(a.order, decision=Decision(OrderStatus.PENDING, "", due_in=timedelta(hours=number)))
        for number, a in enumerate(accepting, 1)
    ]
    await DRIVING.postpone_orders(tx, later)
    assert [known.order for known in await existing(tx, *accepting)] == [a.order for a in accepting]
    due = await tx.fetch(
        "SELECT round(extract(epoch FROM due_at - now()) / 3600)::integer AS hours FROM orders"
    )
    assert sorted(row["hours"] for row in due) == [1, 2]


async def test_customers_are_kept_as_they_were_seen(tx: Transaction) -> None:
    await READ_MODEL.upsert_customers(
        tx, [CustomerSeen("CUST-1", "active", 5), CustomerSeen("CUST-2", "suspended", 6)]
    )
    await READ_MODEL.upsert_customers(
        tx, [CustomerSeen("CUST-1", "gone", 4), CustomerSeen("CUST-2", "active", 7)]
    )
    wanted = {"CUST-1": "active", "CUST-2": "active"}
    assert await READ_MODEL.list_standings(tx, ["CUST-1", "CUST-2", "CUST-3"]) == wanted


async def test_what_an_order_counts_as(tx: Transaction) -> None:
    order = placed(3).order
    await COUNTED.count(tx, [Counting(order, Bound.UNPAID)])
    row = await tx.fetchrow("SELECT order_id::text, customer_id, bound, units FROM bounded_orders")
    assert row is not None
    assert tuple(row) == (order.id, "customer-3", "unpaid", 3 + 4)
    await COUNTED.count(tx, [Counting(order, None)])
    assert await tx.fetchval("SELECT count(*) FROM bounded_orders") == 0
