"""Acts of staff on an order, in all services.

They are shown to staff with the history of the order.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed, HttpClient
from valerix.chassis.messaging.acts import list_acts
from valerix.chassis.postgres.database import Database
from valerix.contracts.acts import LIST_ACTS, ListActs, RecordedAct, RecordedActs
from valerix.orders.order import Order

WAIT_SECONDS: Final = 2.0
_decoder = msgspec.json.Decoder(RecordedActs)


class ActsOnOrder(NamedTuple):
    """Acts on one order, oldest first.

    `unanswered`: services that gave no answer, so their acts are missing.
    """

    acts: list[RecordedAct]
    unanswered: list[str]


class OrderActs:
    """Reads the acts on one order.

    `services`: the services that store acts on its payment and its stock.
    """

    def __init__(self, database: Database, services: Sequence[HttpClient]) -> None:
        self._database = database
        self._services = services

    async def own(self, order: Order) -> list[RecordedAct]:
        """Return the acts stored in this service, oldest first."""
        async with self._database.connection() as tx:
            return await list_acts(tx, [order.id])

    async def everywhere(self, order: Order, deadline: Deadline) -> ActsOnOrder:
        """Return the acts of all services, oldest first, with client addresses.

        Each service stores only the addresses of its own acts.
        """
        own = await self.own(order)
        command = ListActs([order.id, *([order.payment_id] if order.payment_id else [])])
        limit = deadline.within(WAIT_SECONDS)
        answers = await asyncio.gather(
            *(_ask(service, command, limit) for service in self._services)
        )
        others = [act for answer in answers for act in answer or []]
        unanswered = [
            s.dependency
            for s, answer in zip(self._services, answers, strict=True)
            if answer is None
        ]
        return ActsOnOrder(sorted((*own, *others), key=lambda act: act.occurred_at), unanswered)


async def _ask(
    service: HttpClient, command: ListActs, deadline: Deadline
) -> list[RecordedAct] | None:
    try:
        return (await service.post(LIST_ACTS, command, _decoder, deadline=deadline)).acts
    except CallFailed:
        return None
