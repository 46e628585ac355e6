"""What staff did to an order, in whichever service: shown to staff with the history of the order."""

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
    """Oldest first. `unanswered`: services that gave no answer, so theirs are not among them."""

    acts: list[RecordedAct]
    unanswered: list[str]


class OrderActs:
    """Acts on one order; `services`: those that keep acts on its payment and its stock."""

    def __init__(self, database: Database, services: Sequence[HttpClient]) -> None:
        self._database = database
        self._services = services

    async def own(self, order: Order) -> list[RecordedAct]:
        """Those of this service, oldest first."""
        async with self._database.connection() as tx:
            return await list_acts(tx, [order.id])

    async def everywhere(self, order: Order, deadline: Deadline) -> ActsOnOrder:
        """Those of all services, with their addresses, which no service keeps of another."""
        own = await self.own(order)
        asked = ListActs([order.id, *([order.payment_id] if order.payment_id else [])])
        limit = deadline.within(WAIT_SECONDS)
        answers = await asyncio.gather(*(_ask(service, asked, limit) for service in self._services))
        others = [act for answer in answers for act in answer or []]
        unanswered = [s.dependency for s, answer in zip(self._services, answers, strict=True) if answer is None]
        return ActsOnOrder(sorted((*own, *others), key=lambda act: act.occurred_at), unanswered)


async def _ask(service: HttpClient, asked: ListActs, deadline: Deadline) -> list[RecordedAct] | None:
    try:
        return (await service.post(LIST_ACTS, asked, _decoder, deadline=deadline)).acts
    except CallFailed:
        return None
