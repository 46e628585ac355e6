"""Use cases of notifications; recording and sending work on a list."""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from valerix.chassis.base.idempotency import KeyReused
from valerix.chassis.base.problems import Invalid
from valerix.chassis.messaging.acts import recorded
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.events import ACCOUNT_EMAIL_CHANGED, USERS, Event
from valerix.contracts.ids import id_of, new_id
from valerix.contracts.states import NotificationStatus
from valerix.notifications import domain, metrics, repository
from valerix.notifications.domain import OPERATORS, Contact, Notification
from valerix.notifications.rendering import render
from valerix.notifications.repository import DeliveryClaim, Due, Outcome
from valerix.notifications.senders import AddressUnknown, OutgoingMessage, Send, SendRefused

log = structlog.get_logger()
MAX_ERROR_LENGTH = 500


class Request(NamedTuple):
    """A message to send by request.

    `key` and `fingerprint` identify the request (chassis.base.idempotency).
    """

    notification: Notification
    key: bytes | None
    fingerprint: bytes | None
    act: Act | None = None
    """Set for a message that staff or a service requested."""
    refusal: Invalid | None = None
    """Raised unless the request was made before: then the stored message is the answer."""


class DeliveryRules(NamedTuple):
    """Limits of sending.

    `batch`: messages sent concurrently, and the most that are sent twice when a process dies.
    `hourly_limit`: per recipient and channel.
    """

    batch: int
    hourly_limit: int
    first_retry_seconds: float
    operators_email: str
    lease: timedelta
    """How long no other process claims a claimed message."""


class Notifications:
    """Messages about events, and messages sent by request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def notify(self, tx: Transaction, events: list[Event]) -> None:
        """Queue the messages about these events, record contacts, and append live events.

        Messages that are too late to be of use are recorded and not sent: a replay brings old
        events.
        """
        if contacts := _contacts(events):
            await repository.upsert_contacts(tx, contacts)
        notifications = [n for event in events for n in _notifications(event)]
        if queued := [n for n in notifications if n.status is NotificationStatus.QUEUED]:
            await repository.insert_notifications(tx, queued)
        if skipped := [n for n in notifications if n.status is NotificationStatus.SKIPPED]:
            await repository.insert_skipped(tx, skipped)
        if live := [event for event in events if event.name not in domain.NOT_LIVE]:
            await repository.lock_live_events(tx)  # last: it is held until the commit
            await repository.insert_live_events(
                tx, [domain.owner_of(e) for e in live], [_live(e) for e in live]
            )

    async def request(self, request: Request) -> tuple[Notification, bool]:
        """Queue a message.

        Returns it as it was accepted, and whether an earlier request with the same key had queued
        it. Raises KeyReused.
        """

        async def work(connection: Transaction) -> tuple[Notification, bool]:
            wanted = (request.notification, request.key, request.fingerprint)
            insert = partial(repository.insert_requested, connection, *wanted)
            if request.refusal is None and await recorded(connection, request.act, insert):
                return request.notification, False
            known = (
                None
                if request.key is None
                else await repository.find_by_key(connection, request.key)
            )
            if known is None and request.refusal is not None:
                raise request.refusal
            # Its key is in use, and notifications are never deleted.
            assert known is not None  # noqa: S101
            if known[1] != request.fingerprint:
                raise KeyReused
            return known[0]._replace(
                status=NotificationStatus.QUEUED, attempts=0, last_error=None, sent_at=None
            ), True

        return await self._database.repeat(work)

    async def get(self, notification_id: str, recipient: str | None) -> Notification:
        """One message, if it is addressed to `recipient`; None: to any recipient.

        Raises NotificationNotFound.
        """
        async with self._database.connection() as connection:
            found = await repository.find_notification(connection, notification_id, recipient)
        if found is None:
            raise domain.NotificationNotFound
        return found

    async def search(
        self,
        *,
        limit: int,
        before: str | None,
        recipient: str | None,
        status: NotificationStatus | None,
        channel: str | None,
    ) -> list[Notification]:
        """Messages to `recipient`, newest first; None: to any recipient."""
        async with self._database.connection() as connection:
            return await repository.list_notifications(
                connection,
                limit=limit,
                before=before,
                recipient=recipient,
                status=status,
                channel=channel,
            )

    async def measure(self) -> None:
        """Update the gauge, and skip messages that have waited too long."""
        async with self._database.transaction() as tx:
            await repository.lock_queue(tx)
            await repository.skip_stale(tx, domain.STALE)
        async with self._database.connection() as connection:
            metrics.queue_size.set(await repository.count_queued(connection))

    async def prune_live(self, keep: int) -> None:
        """Delete all but about the last `keep` live events."""
        async with self._database.connection() as connection:
            await repository.prune_live_events(connection, keep)


class MessageDelivery:
    """Sends queued messages. Any number of processes share the queue."""

    def __init__(
        self, database: Database, senders: Mapping[str, Send], rules: DeliveryRules
    ) -> None:
        self._database = database
        self._senders = senders
        self._rules = rules
        self.batch = rules.batch

    async def deliver_due(self) -> int:
        """Claim due messages, send them, and record the outcomes.

        Returns the number of due messages, sent or put off.
        """

        async def claim(tx: Transaction) -> DeliveryClaim:
            await repository.lock_queue(tx)
            return await repository.claim_due(
                tx, self._rules.batch, self._rules.lease, self._rules.hourly_limit
            )

        claimed = await self._database.retry(claim)
        if claimed.id is not None:
            outcomes = await asyncio.gather(*map(self._attempt, claimed.messages))
            await self._database.repeat(
                partial(repository.settle, claim_id=claimed.id, outcomes=outcomes)
            )
        return claimed.looked_at

    async def _attempt(self, due: Due) -> Outcome:
        notification = due.notification
        try:
            await self._senders[notification.channel](self._outgoing(due))
            outcome = Outcome(notification.id, NotificationStatus.SENT)
        except Exception as error:  # one failed message must not stop the queue
            outcome = self._failed(notification, error)
        metrics.notifications_sent.labels(notification.channel, outcome.status).inc()
        return outcome

    def _outgoing(self, due: Due) -> OutgoingMessage:
        to_operators = due.notification.recipient == OPERATORS
        return OutgoingMessage(
            due.notification, (self._rules.operators_email or None) if to_operators else due.email
        )

    def _failed(self, notification: Notification, error: Exception) -> Outcome:
        attempt = notification.attempts + 1
        reason = domain.printable(f"{type(error).__name__}: {error}")[:MAX_ERROR_LENGTH]
        log.warning(
            "message not sent",
            notification_id=notification.id,
            channel=notification.channel,
            attempt=attempt,
            error=type(error).__name__,
        )
        if not isinstance(error, SendRefused) and attempt < domain.MAX_ATTEMPTS:
            jitter = random.random()  # noqa: S311 - no secret
            seconds = domain.delay_seconds(attempt, self._rules.first_retry_seconds, jitter)
            return Outcome(
                notification.id, NotificationStatus.QUEUED, timedelta(seconds=seconds), reason
            )
        unknown = isinstance(error, AddressUnknown)
        status = NotificationStatus.SKIPPED if unknown else NotificationStatus.FAILED
        return Outcome(notification.id, status, None, reason)


def requested(
    channel: str, template: str | None, recipient: str, subject: str, body: str
) -> Notification:
    """A message sent by request: new id, no event."""
    return Notification(
        new_id(), None, channel, template, recipient, subject, body, datetime.now(UTC)
    )


def _contacts(events: list[Event]) -> list[Contact]:
    """The newest contact of each customer, and former addresses, which get one more message."""
    newest: dict[str, Contact] = {}
    for event in events:
        if event.source == f"/valerix/{USERS}":
            number = domain.account_of(event)
            contact = Contact(number, event.data["name"], event.data["email"], event.sequence)
            newest[number] = max(contact, newest.get(number, contact), key=lambda c: c.sequence)
        if event.name == ACCOUNT_EMAIL_CHANGED:
            former = domain.former_owner_of(event)
            newest[former] = Contact(
                former, event.data["name"], event.data["formerEmail"], event.sequence
            )
    return list(newest.values())


def _notifications(event: Event) -> list[Notification]:
    recipient = domain.recipient_of(event)
    if recipient is None:
        return []
    now, (moment, occasion) = datetime.now(UTC), domain.occasion(event)
    status = NotificationStatus.SKIPPED if domain.is_late(event, now) else NotificationStatus.QUEUED
    return [
        Notification(
            id_of(moment, occasion, channel, recipient),
            occasion,
            channel,
            template,
            recipient,
            *render(channel, template, event.data),
            now,
            status,
        )
        for channel, template in domain.NOTIFICATIONS_BY_EVENT.get(event.name, ())
    ]


def _live(event: Event) -> str:
    shown = {
        "eventId": f"{event.source}/{event.id}",
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "data": event.data,
    }
    return msgspec.json.encode(shown).decode()
