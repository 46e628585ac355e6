"""Refunds by hand, as payments reports them.

The history of an order holds each of its refunds once.
"""

from collections.abc import Callable

import msgspec
import structlog

from valerix.chassis.base.deadline import Deadline, Now, utc_now
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.commands import NoteRefunds, RefundGiven, RefundNoted, RefundsNoted
from valerix.contracts.states import UNSUCCESSFUL, OrderStatus
from valerix.orders.driving import trace_id
from valerix.orders.repository.refunds import NotedRefundsRepository
from valerix.orders.schemas import RefundedView, refunded_view

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class RefundNotes:
    """Notes refunds. `committed` is called after each commit that emitted an event."""

    def __init__(
        self,
        database: Database,
        repository: NotedRefundsRepository,
        committed: Callable[[], None],
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._repository = repository
        self._committed = committed
        self._now = now

    async def note(self, request: NoteRefunds, _: Deadline) -> RefundsNoted:
        """Write each refund into the history of its order.

        A refund is written once, and only into the history of an order that is decided and has not
        ended without success.
        """
        outcomes = [
            RefundNoted(given.refund_id, await self._settle(given)) for given in request.commands
        ]
        self._committed()
        return RefundsNoted(outcomes)

    async def _settle(self, given: RefundGiven) -> bool:
        try:
            return await self._database.repeat(lambda tx: self._note(tx, given))
        except IMPOSSIBLE:
            log.exception("a refund cannot be noted", refund_id=given.refund_id)
            return False

    async def _note(self, tx: Transaction, given: RefundGiven) -> bool:
        """Return whether nothing is left to be done about the refund."""
        async with tx.transaction():
            order = await self._repository.lock_order(tx, given.order_id)
            if order is None or order.status in UNSUCCESSFUL:
                return True
            if order.status is OrderStatus.PENDING or order.cancelling:
                return False
            if await self._repository.claim_refund(tx, given.refund_id, order.id):
                order.refund(given.amount.amount_minor, self._now())
                data = _encode(
                    refunded_view(order, RefundedView(given.refund_id, given.amount, given.reason))
                ).decode()
                await self._repository.update_order(tx, order, data, trace_id())
            return True
