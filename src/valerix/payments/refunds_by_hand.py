"""Giving money back by hand: what the order orders tells of allows, under an idempotency key, once.

Between the check and the refund the order may ship, which allows more, or be cancelled: then the payment is locked by
one of them first, and whatever the other one asks for is what is left of it.
"""

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.peers import Peer
from valerix.chassis.chaos.points import Point
from valerix.chassis.postgres.database import Database
from valerix.contracts.errors import OrderNotFound
from valerix.payments import domain, owed
from valerix.payments.domain import Refund
from valerix.payments.orders import get_order
from valerix.payments.refunds import RefundRequest, Refunds
from valerix.payments.repository.payments import PaymentsRepository

CHECKED = Point("payments.refund.checked")


class RefundsByHand:
    """The use case of staff."""

    def __init__(self, database: Database, repository: PaymentsRepository, refunds: Refunds, orders: Peer) -> None:
        self._database = database
        self._repository = repository
        self._refunds = refunds
        self._orders = orders

    async def refund(self, request: RefundRequest, wait_seconds: float, deadline: Deadline) -> tuple[Refund, bool]:
        """See Refunds.refund; a request that was let through before is answered without a look at its order.

        Raises OrderNotRefundable, CancelInstead, too; NotSent when orders gives no answer, and then nothing is
        given back.
        """
        if not await self._refunds.is_known(request):
            if request.refusal is not None:
                raise request.refusal
            request = request._replace(part_only=await self._part_only(request.payment_id, deadline))
            await CHECKED.passed()
        return await self._refunds.refund(request, wait_seconds)

    async def _part_only(self, payment_id: str, deadline: Deadline) -> bool:
        async with self._database.connection() as tx:
            payment = await self._repository.find_payment(tx, payment_id, None)
        if payment is None:
            raise domain.PaymentNotFound
        try:
            order = await get_order(self._orders, payment.order_id, deadline)
        except OrderNotFound:
            return False  # money nobody owes may go back, whatever brought it here
        return owed.part_only(order)
