"""Relays and consumers of all services on real databases; tests can lose their messages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from valerix.chassis.messaging.bus.base import Delivery, Handler, Message
from valerix.chassis.messaging.inbox import Inbox
from valerix.chassis.messaging.outbox import Load, Relay
from valerix.chassis.messaging.repository import ACTS
from valerix.chassis.postgres.database import KEYED, Database
from valerix.contracts import events
from valerix.contracts.events import BY_SOURCE, SOURCES
from valerix.inventory import consumers as inventory
from valerix.inventory.composition import connect
from valerix.inventory.repository.outbox import list_outgoing as list_movements
from valerix.notifications.use_cases import Notifications
from valerix.orders import consumers as orders
from valerix.orders.read_model import ReadModel
from valerix.orders.repository.outbox import list_outgoing as list_order_events
from valerix.orders.repository.read_model import ReadModelRepository
from valerix.payments.repository.outbox import list_outgoing as list_payment_events
from valerix.users import consumers as users
from valerix.users.repository.accounts import list_outgoing as list_user_events

LOADS: Final[dict[str, Load]] = {
    events.ORDERS: list_order_events,
    events.INVENTORY: list_movements,
    events.PAYMENTS: list_payment_events,
    events.USERS: list_user_events,
}
EVERYTHING: Final = [name for source in SOURCES for name in BY_SOURCE[source]]


class Messages:
    """A bus that keeps published messages until the test takes them."""

    def __init__(self) -> None:
        self.published: list[Message] = []

    async def declare(self, topics: Sequence[str], consumers: Sequence[str]) -> None:
        return

    async def publish(self, messages: Sequence[Message]) -> None:
        self.published += messages

    async def subscribe(self, consumer: str, topics: Sequence[str], handle: Handler) -> None:
        raise NotImplementedError

    async def check(self) -> None:
        return


class Services:
    """The relays and inboxes of all services. `databases`: by service."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases, self._bus = databases, Messages()
        self._relays = [
            *(
                (name, Relay(databases[name], self._bus, name, (), load))
                for name, load in LOADS.items()
            ),
            *(
                (
                    name,
                    Relay(
                        databases[name],
                        self._bus,
                        name,
                        (),
                        ACTS.list_outgoing,
                        ACTS,
                        topic=events.ACTS,
                    ),
                )
                for name in events.ACT_SOURCES
            ),
        ]
        notify, stock = (
            Notifications(databases["notifications"]).notify,
            connect(databases["inventory"]).reserving,
        )
        self._inboxes = [
            Inbox(
                databases["notifications"], self._bus, "notifications", SOURCES, EVERYTHING, notify
            ),
            orders.inbox(databases["orders"], self._bus, ReadModel(ReadModelRepository())),
            inventory.inbox(databases["inventory"], self._bus, stock, 30),
            users.inbox(databases["users"], self._bus),
        ]

    async def publish(self) -> list[Message]:
        """Empty the outboxes; return the published messages."""
        for name, relay in self._relays:
            async with self._databases[name].connection() as connection:
                while await relay.move(connection):
                    pass
        taken, self._bus.published = self._bus.published, []
        return taken

    async def deliver(self, messages: list[Message]) -> None:
        for inbox in self._inboxes:
            consumed = [
                message for message in messages if inbox.consumer in events.CONSUMERS[message.topic]
            ]
            await inbox.receive([Delivery(message, 1) for message in consumed])

    async def rows(self, service: str, query: str) -> list[dict[str, Any]]:
        async with self._databases[service].connection() as connection:
            return [dict(row) for row in await connection.fetch(query)]


@asynccontextmanager
async def services_at(urls: Mapping[str, str]) -> AsyncIterator[Services]:
    """Open the services' databases. `urls`: by service."""
    async with AsyncExitStack() as stack:
        yield Services(
            {
                name: await stack.enter_async_context(Database.open(url, 4, KEYED))
                for name, url in urls.items()
            }
        )
