"""Written rows are read back. Each column has another value, so swapped columns are noticed."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.payments.statements import PAYMENTS, REFUNDS, SEARCH
from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.ids import new_id
from valerix.contracts.states import PaymentStatus, RefundStatus
from valerix.payments import domain
from valerix.payments.domain import Payment, PaymentEvent, Refund
from valerix.payments.repository.outbox import list_outgoing
from valerix.payments.repository.rows import PaymentChange

LEASE = timedelta(seconds=60)


def moment(day: int) -> datetime:
    return datetime(2026, 1, day, tzinfo=UTC)


def opened(number: int) -> Payment:
    """A payment as it begins."""
    return Payment(
        id=new_id(),
        order_id=f"order-{number}",
        customer_id=f"customer-{number}",
        amount_minor=1000 + number,
        currency=f"currency-{number}",
        method=f"method-{number}",
        status=PaymentStatus.PROCESSING,
        reason=None,
        provider_reference=f"reference-{number}",
        captured_minor=0,
        refunding_minor=0,
        refunded_minor=0,
        version=0,
        created_at=moment(number),
        updated_at=moment(number),
    )


def event(payment: Payment) -> PaymentChange:
    return PaymentChange(
        payment,
        f"type-{payment.order_id}",
        f'{{"status":"{payment.status}"}}',
        f"trace-{payment.order_id}",
    )


def entry(row_id: int, event: PaymentChange) -> Entry:
    payment = event.payment
    return Entry(
        row_id,
        event.type,
        payment.id,
        payment.version,
        payment.updated_at,
        event.trace_id,
        event.data,
    )


@pytest.fixture
async def tx(database_url: Callable[..., str]) -> AsyncIterator[Transaction]:
    async with Database.open(database_url("payments"), 1) as database, database.transaction() as tx:
        yield tx


async def stored(tx: Transaction, *payments: Payment) -> list[Payment]:
    found = await PAYMENTS.list_by_orders(tx, [payment.order_id for payment in payments])
    return sorted(found, key=lambda payment: payment.order_id)


async def test_payments_from_their_opening_to_a_refund(tx: Transaction) -> None:
    payments = [opened(1), opened(2)]
    assert await PAYMENTS.insert_payments(tx, payments, LEASE) == {
        payment.id for payment in payments
    }
    assert await stored(tx, *payments) == payments

    captured, declined = (
        payments[0].moved(PaymentStatus.CAPTURED, moment(11), "captured why"),
        payments[1].moved(PaymentStatus.DECLINED, moment(12), "declined why"),
    )
    events = [event(captured), event(declined)]
    assert await PAYMENTS.settle_payments(tx, events) == {captured.id, declined.id}
    assert await stored(tx, *payments) == [captured, declined]
    assert await list_outgoing(tx, 10) == [entry(1, told) for told in events]

    refunding = captured._replace(
        status=PaymentStatus.PARTIALLY_REFUNDED,
        refunding_minor=30,
        refunded_minor=4,
        version=5,
        updated_at=moment(15),
    )
    await REFUNDS.update_payment(tx, refunding)
    assert await stored(tx, captured) == [refunding]
    told = event(refunding)
    await REFUNDS.insert_event(tx, told)
    assert await SEARCH.list_events(tx, captured.id) == [
        PaymentEvent(1, events[0].type, PaymentStatus.CAPTURED, moment(11), events[0].trace_id),
        PaymentEvent(5, told.type, PaymentStatus.PARTIALLY_REFUNDED, moment(15), told.trace_id),
    ]


async def test_tombstones(tx: Transaction) -> None:
    payments = [
        domain.tombstone(new_id(), f"order-{number}", f"reason-{number}") for number in (1, 2)
    ]
    events = [event(payment) for payment in payments]
    assert await PAYMENTS.insert_tombstones(tx, events) == {payment.id for payment in payments}
    assert await stored(tx, *payments) == payments
    assert await list_outgoing(tx, 10) == [entry(1, told) for told in events]


async def test_refunds(tx: Transaction) -> None:
    payment = opened(1)
    await PAYMENTS.insert_payments(tx, [payment], LEASE)
    refund = Refund(
        *(
            new_id(),
            payment.id,
            7,
            "reason",
            RefundStatus.PENDING,
            None,
            "reference",
            moment(2),
            moment(2),
        ),
    )
    await REFUNDS.insert_refund(tx, refund, b"key", b"fingerprint", LEASE)
    assert await REFUNDS.find_refund_by_key(tx, payment.id, b"key") == (refund, b"fingerprint")

    assert await REFUNDS.claim_refund(tx, refund.id, RefundStatus.FAILED, "failure", moment(3))
    failed = refund._replace(status=RefundStatus.FAILED, failure="failure", updated_at=moment(3))
    assert await REFUNDS.get_refund(tx, refund.id) == failed
