"""The queue: real SMTP, retries, limits, several processes, and processes that die."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.support.eventually import eventually
from tests.support.mail import Mailbox, mail_server
from tests.support.workers import free_port
from valerix.chassis.base.settings import SettingsError
from valerix.chassis.postgres.database import Database
from valerix.contracts.events import Event
from valerix.contracts.ids import new_id
from valerix.contracts.states import NotificationStatus
from valerix.notifications import repository
from valerix.notifications.domain import (
    MAX_ATTEMPTS,
    OPERATORS,
    Contact,
    Notification,
    delay_seconds,
    is_late,
)
from valerix.notifications.senders import OutgoingMessage, SmtpSender, channels, simulate
from valerix.notifications.use_cases import DeliveryRules, MessageDelivery

RULES = DeliveryRules(
    batch=8,
    hourly_limit=20,
    first_retry_seconds=0.05,
    operators_email="shop@valerix.example",
    lease=timedelta(seconds=60),
)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(mailbox: Mailbox) -> Iterator[str]:
    with mail_server(mailbox) as url:
        yield url


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("notifications"), 8) as database:
        yield database


async def queue(
    database: Database, count: int = 1, recipient: str = "CUST-001", channel: str = "email"
) -> list[str]:
    now = datetime.now(UTC)
    made = [
        Notification(new_id(), new_id(), channel, None, recipient, f"Subject {number}", "Bödy", now)
        for number in range(count)
    ]
    async with database.transaction() as tx:
        await repository.upsert_contacts(
            tx, [Contact("CUST-001", "Ann Ü", "ann@valerix.example", 1)]
        )
        await repository.insert_notifications(tx, made)
    return [one.id for one in made]


async def rows(database: Database) -> list[asyncpg.Record]:
    async with database.connection() as connection:
        return list(await connection.fetch("SELECT * FROM notifications ORDER BY id"))


async def deliver_until(
    delivery: MessageDelivery, database: Database, status: str
) -> asyncpg.Record:
    async def reached() -> asyncpg.Record | None:
        await delivery.deliver_due()
        (row,) = await rows(database)
        return row if row["status"] == status else None

    row = await eventually(reached)
    assert row is not None
    return row


async def test_mail_arrives(database: Database, smtp: str, mailbox: Mailbox) -> None:
    (sent_id,) = await queue(database)
    delivery = MessageDelivery(database, channels(smtp, "Shop <shop@valerix.example>"), RULES)
    assert await delivery.deliver_due() == 1
    (mail,) = mailbox.messages
    assert (mail["From"], mail["Subject"]) == ("Shop <shop@valerix.example>", "Subject 0")
    assert mail["To"] == "ann@valerix.example"
    assert mail["Message-ID"] == f"<{sent_id}@valerix.example>"
    assert mail.get_payload(decode=True).decode().strip() == "Bödy"  # type: ignore[union-attr]
    (row,) = await rows(database)
    assert (row["status"], row["attempts"]) == ("sent", 1)
    assert await delivery.deliver_due() == 0


async def test_what_fails_for_the_moment_is_tried_again(
    database: Database, smtp: str, mailbox: Mailbox
) -> None:
    mailbox.answers = ["451 try later", "452 no room"]
    await queue(database)
    row = await deliver_until(
        MessageDelivery(database, channels(smtp, "a@b.example"), RULES), database, "sent"
    )
    assert row["attempts"] == 3
    assert len(mailbox.messages) == 1


async def test_a_mail_server_that_is_away_is_tried_again(database: Database) -> None:
    await queue(database)
    delivery = MessageDelivery(
        database, channels(f"smtp://127.0.0.1:{free_port()}", "a@b.example"), RULES
    )
    await delivery.deliver_due()
    (row,) = await rows(database)
    assert (row["status"], row["attempts"], row["sent_at"]) == ("queued", 1, None)
    assert row["next_attempt_at"] > row["created_at"]


async def test_what_is_refused_for_good_is_not_tried_again(
    database: Database, smtp: str, mailbox: Mailbox
) -> None:
    mailbox.refused = {"ann@valerix.example"}
    await queue(database)
    delivery = MessageDelivery(database, channels(smtp, "a@b.example"), RULES)
    await delivery.deliver_due()
    mailbox.refused, mailbox.answers = set(), ["554 spam"]
    await queue(database)
    await delivery.deliver_due()
    assert [(row["status"], row["attempts"]) for row in await rows(database)] == [("failed", 1)] * 2
    assert "ann@" not in str([row["last_error"] for row in await rows(database)])


async def test_mail_waits_for_an_address_and_is_skipped_when_none_comes(
    database: Database, smtp: str, mailbox: Mailbox
) -> None:
    await queue(database, recipient="CUST-404")
    delivery = MessageDelivery(database, channels(smtp, "a@b.example"), RULES)
    await delivery.deliver_due()
    (row,) = await rows(database)
    assert row["status"] == "queued"
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE notifications SET attempts = $1, next_attempt_at = now()", MAX_ATTEMPTS - 1
        )
    await delivery.deliver_due()
    (row,) = await rows(database)
    assert (row["status"], row["last_error"]) == ("skipped", "AddressUnknown: No address is known")


async def test_operators_have_one_address(database: Database, smtp: str, mailbox: Mailbox) -> None:
    await queue(database, recipient=OPERATORS)
    await MessageDelivery(database, channels(smtp, "a@b.example"), RULES).deliver_due()
    assert mailbox.messages[0]["To"] == "shop@valerix.example"


async def test_a_recipient_gets_so_many_an_hour_and_the_rest_later(database: Database) -> None:
    await queue(database, 50)
    await queue(database, 3, recipient="CUST-002")
    await queue(database, 3, channel="sms")
    delivery = MessageDelivery(database, channels("", ""), RULES._replace(batch=7))
    while await asyncio.gather(*(delivery.deliver_due() for _ in range(4))) != [0] * 4:
        pass
    async with database.connection() as connection:
        sent = await connection.fetch(
            """
            SELECT recipient, channel, count(*) FROM notifications
            WHERE status = 'sent' GROUP BY 1, 2
            """
        )
        await connection.execute(
            "UPDATE notifications SET sent_at = sent_at - interval '61 min' WHERE status = 'sent'"
        )
        await connection.execute(
            "UPDATE notifications SET next_attempt_at = now() WHERE status = 'queued'"
        )
    assert sorted(map(tuple, sent)) == [
        ("CUST-001", "email", 20),
        ("CUST-001", "sms", 3),
        ("CUST-002", "email", 3),
    ]
    while await delivery.deliver_due():
        pass
    assert sum(row["status"] == "sent" for row in await rows(database)) == 46


async def test_putting_messages_off_is_no_reason_to_rest(database: Database) -> None:
    """Otherwise a flood for one recipient would delay all other recipients."""
    await queue(database, 30)
    delivery = MessageDelivery(database, channels("", ""), RULES._replace(hourly_limit=1))
    assert [await delivery.deliver_due() for _ in range(5)] == [8, 8, 8, 6, 0]


async def test_any_number_of_processes_share_the_queue(database: Database) -> None:
    seen: list[str] = []

    async def send(outgoing: OutgoingMessage) -> None:
        await asyncio.sleep(0)
        seen.append(outgoing.notification.id)

    made: list[str] = []
    for number in range(20):
        made += await queue(database, 10, recipient=f"CUST-{number}")
    deliveries = [MessageDelivery(database, {"email": send}, RULES) for _ in range(4)]

    async def work(delivery: MessageDelivery) -> None:
        while await delivery.deliver_due():
            pass

    await asyncio.gather(*map(work, deliveries))
    assert sorted(seen) == sorted(made)


async def test_what_another_machine_says_cannot_keep_the_others_from_being_written_down(
    database: Database,
) -> None:
    """Otherwise all of them would be sent again and again."""

    async def send(outgoing: OutgoingMessage) -> None:
        if outgoing.notification.subject == "Subject 1":
            raise RuntimeError("no\x00such \udcff\x1b[2J mailbox")

    await queue(database, 3)
    await MessageDelivery(database, {"email": send}, RULES).deliver_due()
    found = [(row["status"], row["attempts"], row["last_error"]) for row in await rows(database)]
    assert found == [
        ("sent", 1, None),
        ("queued", 1, "RuntimeError: no�such ��[2J mailbox"),
        ("sent", 1, None),
    ]


async def test_a_process_that_dies_while_sending_leaves_the_message_to_others(
    database: Database,
) -> None:
    (message_id,) = await queue(database)

    async def hang(_: OutgoingMessage) -> None:
        await asyncio.sleep(3600)

    dying = asyncio.create_task(MessageDelivery(database, {"email": hang}, RULES).deliver_due())

    async def claimed() -> int | None:
        async with database.connection() as connection:
            claim_id: int | None = await connection.fetchval("SELECT id FROM claims")
        return claim_id

    claim_id = await eventually(claimed)
    assert claim_id is not None
    other = MessageDelivery(database, {"email": simulate}, RULES)
    assert await other.deliver_due() == 0
    async with database.transaction() as tx:
        await repository.skip_stale(tx, timedelta(0))  # a message that is being sent is not skipped
        await tx.execute("UPDATE claims SET lapses_at = now()")
    again = asyncio.create_task(MessageDelivery(database, {"email": hang}, RULES).deliver_due())

    async def claimed_again() -> bool:
        return await claimed() not in (None, claim_id)

    await eventually(claimed_again)
    dying.cancel()
    # The first process was only asleep: the outcome it writes now is ignored.
    async with database.connection() as connection:
        await repository.settle(
            connection,
            claim_id,
            [repository.Outcome(message_id, NotificationStatus.FAILED, None, "zombie")],
        )
        assert [row["status"] for row in await rows(database)] == ["queued"]
        await connection.execute("UPDATE claims SET lapses_at = now()")
    again.cancel()
    assert await other.deliver_due() == 1
    (row,) = await rows(database)
    assert (row["status"], row["attempts"]) == ("sent", 1)


async def test_what_is_settled_while_it_is_put_off_stays_as_it_is(database: Database) -> None:
    (message_id,) = await queue(database)
    async with database.transaction() as tx:
        claim = await repository.claim_due(tx, 8, timedelta(0), 20)  # the claim lapses at once
    assert claim.id is not None
    async with database.connection() as watching, database.transaction() as late:
        await repository.settle(
            late, claim.id, [repository.Outcome(message_id, NotificationStatus.SENT)]
        )
        other = asyncio.create_task(
            MessageDelivery(
                database, {"email": simulate}, RULES._replace(hourly_limit=0)
            ).deliver_due()
        )

        async def waits() -> bool:
            return bool(await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await eventually(waits)
    await other
    (row,) = await rows(database)
    assert (row["status"], row["next_attempt_at"]) == ("sent", None)


async def test_what_waited_a_day_is_skipped(database: Database) -> None:
    await queue(database)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE notifications SET created_at = now() - interval '25 hours'"
        )
        await repository.skip_stale(connection, timedelta(days=1))
    (row,) = await rows(database)
    assert row["status"] == "skipped"


async def test_about_so_many_live_events_are_kept_and_the_last_always(database: Database) -> None:
    async with database.transaction() as tx:
        for count in (20, 24, 6):
            await repository.insert_live_events(tx, [None] * count, ['{"type":"x"}'] * count)
        await repository.prune_live_events(tx, 10)
        kept = await repository.list_live_events(tx, after=0, owner=None, limit=100)
        assert [event.id for event in kept] == list(
            range(21, 51)
        )  # events of one batch are pruned together
        assert await repository.find_live_bounds(tx) == (21, 50)
        await repository.prune_live_events(tx, 0)
        assert await repository.find_live_bounds(tx) == (45, 50)


async def test_of_what_was_told_together_everybody_reads_their_own_from_any_place(
    database: Database,
) -> None:
    owners = ["CUST-1", None, "CUST-2", "CUST-1", "CUST-1"]
    async with database.transaction() as tx:
        for batch in (owners[:3], owners[3:]):
            await repository.insert_live_events(
                tx, batch, [f'{{"batch":{len(batch)}}}'] * len(batch)
            )

        async def read(after: int, owner: str | None, limit: int) -> list[int]:
            return [
                event.id
                for event in await repository.list_live_events(
                    tx, after=after, owner=owner, limit=limit
                )
            ]

        assert await read(0, None, 9) == [1, 2, 3, 4, 5]
        assert await read(1, None, 3) == [2, 3, 4]
        assert await read(0, "CUST-1", 9) == [1, 4, 5]
        assert await read(1, "CUST-1", 1) == [4]
        assert await read(4, "CUST-1", 9) == [5]
        assert await read(0, "CUST-2", 9) == [3]
        assert await read(0, "", 9) == []
        events = await repository.list_live_events(tx, after=2, owner=None, limit=2)
    assert events == [(3, "CUST-2", '{"batch":3}'), (4, "CUST-1", '{"batch":2}')]


def test_delays_double_up_to_an_hour() -> None:
    assert [delay_seconds(n, 5, 1) for n in (1, 2, 3, 20)] == [5, 10, 20, 3600]
    assert delay_seconds(1, 5, 0) == 2.5


@pytest.mark.parametrize(
    ("name", "in_time", "late"),
    [
        ("order.confirmed", timedelta(hours=23), timedelta(hours=25)),
        ("account.reset_requested", timedelta(minutes=29), timedelta(minutes=31)),
    ],
)
def test_messages_are_late_after_a_day_and_links_once_they_are_over(
    name: str, in_time: timedelta, late: timedelta
) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    event = Event(
        id="1",
        source="/valerix/any",
        type=f"valerix.{name}.v1",
        subject="1",
        time=now,
        sequence=1,
        data={},
    )
    assert [is_late(event, now + age) for age in (in_time, late)] == [False, True]


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example"])
def test_a_mail_url_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="VALERIX_SMTP_URL"):
        SmtpSender(url, "a@b.example", 40)


async def test_a_password_is_never_sent_in_the_clear(
    database: Database, smtp: str, mailbox: Mailbox
) -> None:
    await queue(database)
    with_password = smtp.replace("//", "//shop:secret@")
    await MessageDelivery(database, channels(with_password, "a@b.example"), RULES).deliver_due()
    (row,) = await rows(database)
    assert row["status"] == "queued"
    assert "STARTTLS" in row["last_error"]
    assert mailbox.messages == []
