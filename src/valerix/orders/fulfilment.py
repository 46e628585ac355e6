"""The warehouse and the worker's sweep: due orders go on, step by step."""

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
"""Maximum number of sweeps running concurrently; a slow sweep goes on beside the next."""


class Fulfilment:
    """Sweeps due orders and moves single orders through the warehouse.

    `close` stops the sweeps in the background; their orders will be due again.
    """

    def __init__(
        self, driving: Driving, queries: Queries, timeouts: Timeouts = timeouts.DEFAULT
    ) -> None:
        self._driving = driving
        self._queries = queries
        self._wait_seconds = timeouts.sweep_wait_seconds
        self._sweeps: SingleFlight[dict[str, Answer]] = SingleFlight(MAX_SWEEPS)

    async def close(self) -> None:
        await self._sweeps.close()

    async def sweep(self, limit: int, deadline: Deadline) -> int:
        """Drive due orders: warehouse steps, orders open after a crash, delays, expired holds.

        Due orders are of two kinds: orders with a next step that needs no other service, and all
        others, as far as there is capacity for them. Up to `limit` of each kind are driven. Returns
        the larger of the two numbers.
        """
        return max(
            await self._driving.finish_local_steps(limit), await self._drive_due(limit, deadline)
        )

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
        """Delete declines that no longer count against their customers."""
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

        Raises OrderNotFound, VersionConflict, IllegalOrderTransition, OrderBusy. If a service is
        down, the order comes back short of `target`, and the worker goes on with it.
        """
        order = await self._queries.get(order_id, None)
        if version is not None and version != order.version:
            raise VersionConflict(order.version)
        act = act_of(actor, ORDER_MOVED, order_id, status=target, version=order.version)
        while path_to(order.status, target):
            before = order.status
            await self._driving.take_and_drive(order, None, deadline, act)
            act = None  # the steps that follow are parts of the same act
            order = await self._queries.get(order_id, None)
            if order.status == before:
                break
        return order
