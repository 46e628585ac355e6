"""Written rows are read back.

Every column has a different value, so that swapped columns are noticed.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from valerix.chassis.postgres.database import Database, Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.ids import new_id
from valerix.contracts.states import NotificationStatus
from valerix.notifications import repository
from valerix.notifications.domain import Contact, Notification
from valerix.notifications.repository import DeliveryClaim, Due, LiveEvent, Outcome

LEASE = timedelta(seconds=60)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def queued(number: int, event_id: str | None, template: str | None) -> Notification:
    began = BEGAN + timedelta(days=number)
    return Notification(
        id=new_id(),
        event_id=event_id,
        channel="email",
        template=template,
        recipient=f"recipient-{number}",
        subject=f"subject-{number}",
        body=f"body-{number}",
        created_at=began,
        next_attempt_at=began,
    )


@pytest.fixture
async def tx(database_url: Callable[..., str]) -> AsyncIterator[Transaction]:
    async with (
        Database.open(database_url("notifications"), 1) as database,
        database.transaction() as tx,
    ):
        yield tx


async def stored(tx: Transaction) -> list[Notification]:
    nothing = {"before": None, "recipient": None, "status": None, "channel": None}
    return (await repository.list_notifications(tx, limit=10, **nothing))[::-1]


async def test_messages_from_the_queue_to_their_end(tx: Transaction) -> None:
    first, second = messages = [queued(1, "event-1", None), queued(2, None, "template-2")]
    await repository.insert_notifications(tx, messages)
    assert await stored(tx) == messages
    contact = Contact("recipient-2", "name-2", "email-2", 2)
    await repository.upsert_contacts(tx, [contact])

    claim = await repository.claim_due(tx, 10, LEASE, 20)
    due = sorted(claim.messages, key=lambda due: due.notification.id)
    assert claim._replace(messages=due) == DeliveryClaim(
        1, [Due(first, None), Due(second, "email-2")], 2
    )

    sent = Outcome(first.id, NotificationStatus.SENT)
    delayed = Outcome(second.id, NotificationStatus.QUEUED, timedelta(hours=3), "error-2")
    await repository.settle(tx, 1, [sent, delayed])
    now = await tx.fetchval("SELECT now()")
    assert await stored(tx) == [
        first._replace(
            status=NotificationStatus.SENT, attempts=1, next_attempt_at=None, sent_at=now
        ),
        second._replace(attempts=1, last_error="error-2", next_attempt_at=now + timedelta(hours=3)),
    ]


async def test_messages_that_are_too_late(tx: Transaction) -> None:
    late = [queued(number, f"event-{number}", f"template-{number}") for number in (1, 2)]
    await repository.insert_skipped(tx, late)
    await repository.insert_skipped(tx, late)
    skipped = NotificationStatus.SKIPPED
    kept = [
        one._replace(status=skipped, next_attempt_at=None, last_error="too late") for one in late
    ]
    assert await stored(tx) == kept


async def test_a_message_somebody_asked_for(tx: Transaction) -> None:
    asked = queued(1, None, "template-1")
    assert await repository.insert_requested(tx, asked, b"key", b"fingerprint")
    assert await repository.find_by_key(tx, b"key") == (asked, b"fingerprint")


async def test_contacts(tx: Transaction) -> None:
    contacts = [
        Contact(f"customer-{number}", f"name-{number}", f"email-{number}", number)
        for number in (1, 2)
    ]
    await repository.upsert_contacts(tx, contacts)
    newer = Contact("customer-2", "name-3", "email-3", 3)
    await repository.upsert_contacts(tx, [newer])
    rows = await tx.fetch("SELECT * FROM contacts ORDER BY sequence")
    assert [Reader(Contact).read(row) for row in rows] == [contacts[0], newer]


async def test_live_events(tx: Transaction) -> None:
    await repository.insert_live_events(tx, ["owner-1", None], ["message-1", "message-2"])
    events = await repository.list_live_events(tx, after=0, owner=None, limit=10)
    assert events == [LiveEvent(1, "owner-1", "message-1"), LiveEvent(2, None, "message-2")]
    assert await repository.find_live_bounds(tx) == (1, 2)
