"""The warehouse and the worker's sweep: orders that are due go on, step by step."""

from typing import Final

import structlog

from valerix.chassis.base import timeouts
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.concurrency.single_flight import SingleFlight, wait_for
from valerix.chassis.messaging.acts import act_of
from valerix.contracts.acts import ORDER_MOVED, Actor
from valerix.contracts.states import OrderStatus
from valerix.orders.answers import Answer
from valerix.orders.driving import Driving
from valerix.orders.order import Order
from valerix.orders.queries import Queries
from valerix.orders.transitions import path_to

log = structlog.get_logger()
MAX_SWEEPS: Final = 8
"""A sweep that takes long goes on beside the next; no more than so many at once."""


class Fulfilment:
    """Close it to stop what runs in the background; its orders will be due again."""

    def __init__(self, driving: Driving, queries: Queries, timeouts: Timeouts = timeouts.DEFAULT) -> None:
        self._driving = driving
        self._queries = queries
        self._wait_seconds = timeouts.sweep_wait_seconds
        self._sweeps: SingleFlight[dict[str, Answer]] = SingleFlight(MAX_SWEEPS)

    async def close(self) -> None:
        await self._sweeps.close()

    async def sweep(self, limit: int, deadline: Deadline) -> int:
        """Go on with orders that are due: steps through the warehouse, what a crash left open, what was delayed, holds
        that expired.

        Returns how many there were of the kind there were more of, up to `limit` of each: those whose next step asks no
        other service, and the others as far as there is capacity for them.
        """
        return max(await self._driving.finish_local_steps(limit), await self._drive_due(limit, deadline))

    async def _drive_due(self, limit: int, deadline: Deadline) -> int:
        if not self._sweeps.free_places():
            return 0
        due = await self._driving.claim_due(limit)
        if due:
            log.info("driving due orders", count=len(due))
            sweep = self._sweeps.join(due[0].id, lambda: self._driving.drive(due, deadline))
            await wait_for([sweep], self._wait_seconds)
        return len(due)

    async def forget_declines(self) -> None:
        """Those that no longer count against their customers."""
        await self._driving.forget_declines()

    async def fulfil_until(
        self,
        order_id: str,
        *,
        version: int | None,
        target: OrderStatus,
        deadline: Deadline,
        actor: Actor | None = None,
    ) -> Order:
        """Take an order through the warehouse now, step by step, until it is `target`.

        Raises OrderNotFound, VersionConflict, IllegalTransition, OrderBusy. When a service is down the order comes back
        short of `target`, and the worker goes on with it.
        """
        order = await self._queries.get(order_id, None)
        if version is not None and version != order.version:
            raise VersionConflict(order.version)
        act = act_of(actor, ORDER_MOVED, order_id, status=target, version=order.version)
        while path_to(order.status, target):
            before = order.status
            await self._driving.take_and_drive(order, None, deadline, act)
            act = None  # the steps that follow are parts of it
            order = await self._queries.get(order_id, None)
            if order.status == before:
                break
        return order
